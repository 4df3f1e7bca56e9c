// Which Sidecar resource a workload obeys: the oldest of its namespace that selects it, else the oldest there without a
// selector, else the oldest without a selector in the root namespace.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { selects } from "./label-selector.ts";
import type { Routing } from "./routing.ts";

export function sidecarFor(
	routing: Pick<Routing, "sidecars" | "mesh">,
	proxy: Pick<MeshProxy, "namespace" | "labels">,
): ConfigObject<"Sidecar"> | undefined {
	const own = routing.sidecars.get(proxy.namespace) ?? [];
	const selecting = own.find((sidecar) => {
		const labels = selectorOf(sidecar);
		return labels !== undefined && selects(labels, proxy.labels);
	});
	const everybodys = (sidecar: ConfigObject<"Sidecar">) => selectorOf(sidecar) === undefined;
	return selecting ?? own.find(everybodys) ?? routing.sidecars.get(routing.mesh.rootNamespace)?.find(everybodys);
}

/** Undefined when it is for all workloads; an empty selector is as good as none. */
export function selectorOf(sidecar: ConfigObject<"Sidecar">): Readonly<Record<string, string>> | undefined {
	const labels = sidecar.spec.workloadSelector?.labels;
	return labels === undefined || Object.keys(labels).length === 0 ? undefined : labels;
}
