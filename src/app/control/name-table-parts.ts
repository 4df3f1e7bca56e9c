// The name table of each proxy as a resource. Proxies of a namespace with the same services have the same table, so it is made
// once for them, and made again only when their services or the endpoints of headless ones changed.

import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import type { ProxyView, ServiceView } from "../../model/view.ts";
import { nameTableFor } from "../../snapshot/name-table.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { encodeNameTable, type NameInfo } from "../../xds/name-table-codec.ts";
import { type ResourcePart, typeUrls } from "../../xds/resource.ts";

interface Remembered {
	/** What the table was made of besides the services themselves. */
	readonly headless: readonly unknown[];
	readonly part: ResourcePart;
}

/** Istio's NDS has one resource for each proxy; its name says nothing. */
const resourceName = "names";

export class NameTableParts {
	readonly #remembered = new WeakMap<readonly ServiceView[], Map<string, Remembered>>();

	partFor(snapshot: Snapshot, proxy: MeshProxy, view: ProxyView): ResourcePart | undefined {
		const services = (view.gateway ?? view.outbound)?.services;
		if (!services) return undefined;
		const byNamespace = this.#remembered.get(services) ?? new Map<string, Remembered>();
		this.#remembered.set(services, byNamespace);
		const headless = services
			.filter(({ service }) => service.headless)
			.map(({ service }) => snapshot.endpoints.byService.get(service.key));
		const before = byNamespace.get(proxy.namespace);
		if (before && headless.every((endpoints, index) => endpoints === before.headless[index])) return before.part;
		const made = { headless, part: partOf(snapshot, proxy) };
		byNamespace.set(proxy.namespace, made);
		return made.part;
	}
}

function partOf(snapshot: Snapshot, proxy: MeshProxy): ResourcePart {
	const table = new Map<string, NameInfo>();
	for (const { names, addresses, registry, namespace, shortName } of nameTableFor(snapshot, proxy).entries) {
		const info: NameInfo = {
			ips: addresses,
			registry: registry === "kubernetes" ? "Kubernetes" : "External",
			shortname: shortName ?? "",
			namespace,
		};
		for (const name of names) if (!table.has(name)) table.set(name, info);
	}
	return resourcePart([encodedFromBytes(resourceName, typeUrls.nameTable, encodeNameTable(table))]);
}
