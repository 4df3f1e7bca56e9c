// What is in force for workloads: who may connect and how, which policies and tokens, and what they send to each service.

import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import {
	mtlsOnPort,
	mtlsSourceOnPort,
	permissiveMtls,
	type WorkloadMtls,
	type WorkloadSecurity,
} from "../../model/security.ts";
import type { ServiceView } from "../../model/view.ts";
import { effectiveMtls } from "../../policy/effective-mtls.ts";
import { type ConfigObject, compareText } from "../../resources/config-object.ts";
import { objectsOf } from "../../snapshot/object-store.ts";
import { addressesOfEntry, podHasProxy, proxyOfPod, proxyOfWorkloadEntry } from "../../snapshot/proxy-of-pod.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import { addressesOfPod, workloadNameOf } from "../../snapshot/workload-facts.ts";
import type { WorkloadItem } from "./api-types.ts";

export interface WorkloadQuery {
	readonly namespace: string;
	/** A pod, a WorkloadEntry, a proxy, or what made the pods (a Deployment). Absent: see `service`. */
	readonly name?: string;
	/** All workloads behind this service of the namespace. */
	readonly service?: string;
	/** Only this service is looked at as a target: `NAME`, `NAME.NAMESPACE` or a host name. */
	readonly to?: string;
	/** Services looked at when `to` does not name one. */
	readonly maxServices: number;
}

export interface Workload {
	readonly proxy: MeshProxy;
	readonly state: WorkloadItem["proxy"];
}

/** Workloads for which the same is in force make one item; sorted by the first name of each. */
export function workloadItems(
	snapshot: Snapshot,
	connected: Iterable<MeshProxy>,
	query: WorkloadQuery,
): readonly WorkloadItem[] {
	const alike = Map.groupBy(findWorkloads(snapshot, connected, query), likeness);
	return [...alike.values()]
		.map((workloads) => itemOf(snapshot, workloads, query))
		.sort((a, b) => compareText(a.names[0] ?? "", b.names[0] ?? ""));
}

export function findWorkloads(
	snapshot: Snapshot,
	connected: Iterable<MeshProxy>,
	query: Pick<WorkloadQuery, "namespace" | "name" | "service">,
): readonly Workload[] {
	const isWanted = wantedBy(snapshot, query);
	const found = new Map<string, Workload>();
	for (const pod of objectsOf(snapshot.objects, "Pod").values()) {
		if (!isWanted(pod.metadata, addressesOfPod(pod))) continue;
		const state = podHasProxy(pod) ? "not connected" : "none";
		found.set(nameOf(pod.metadata), { proxy: rememberedProxyOf(pod, snapshot), state });
	}
	const machines = [...objectsOf(snapshot.objects, "WorkloadEntry").values()].filter((entry) =>
		isWanted({ ...entry.metadata, labels: entry.spec.labels ?? {} }, addressesOfEntry(entry)),
	);
	for (const proxy of connected) {
		// A machine's proxy has the name of the machine, and is found by its entry too.
		const isMachine = machines.some(
			(entry) =>
				entry.metadata.namespace === proxy.namespace &&
				addressesOfEntry(entry).some((address) => proxy.ipAddresses.includes(address)),
		);
		if (isMachine || isWanted(proxy, proxy.ipAddresses)) found.set(nameOf(proxy), { proxy, state: "connected" });
	}
	const answered = new Set([...found.values()].flatMap(({ proxy }) => proxy.ipAddresses));
	for (const entry of machines) {
		if (addressesOfEntry(entry).some((address) => answered.has(address))) continue;
		const proxy = proxyOfWorkloadEntry(entry, snapshot.options);
		found.set(nameOf(proxy), { proxy, state: proxy.workloadCertificate ? "not connected" : "none" });
	}
	return [...found.values()].sort((a, b) => compareText(nameOf(a.proxy), nameOf(b.proxy)));
}

type Named = Pick<MeshProxy, "name" | "namespace" | "labels">;

function wantedBy(
	snapshot: Snapshot,
	{ namespace, name, service }: Pick<WorkloadQuery, "namespace" | "name" | "service">,
) {
	const behind = new Set<string>();
	for (const { service: one } of snapshot.routing.registry.byKey.values()) {
		if (one.namespace !== namespace || one.name !== service) continue;
		for (const endpoints of snapshot.endpoints.byService.get(one.key)?.byPort.values() ?? [])
			for (const endpoint of endpoints) behind.add(endpoint.address);
	}
	return (one: Named, addresses: readonly string[]): boolean => {
		if (service !== undefined) return addresses.some((address) => behind.has(address));
		return one.namespace === namespace && (one.name === name || workloadNameOf({ metadata: one }) === name);
	};
}

function nameOf({ name, namespace }: Named): string {
	return `${namespace}/${name}`;
}

/** What is remembered for a proxy is remembered by identity. */
const proxies = new WeakMap<ConfigObject<"Pod">, MeshProxy>();

function rememberedProxyOf(pod: ConfigObject<"Pod">, snapshot: Snapshot): MeshProxy {
	const proxy = proxies.get(pod) ?? proxyOfPod(pod, snapshot.options);
	proxies.set(pod, proxy);
	return proxy;
}

export function likeness({ proxy, state }: Workload): string {
	const { namespace, type, labels, workloadCertificate, interceptionMode } = proxy;
	return JSON.stringify([namespace, type, Object.entries(labels).sort(), workloadCertificate, interceptionMode, state]);
}

function itemOf(snapshot: Snapshot, workloads: readonly Workload[], query: WorkloadQuery): WorkloadItem {
	const [{ proxy, state }] = workloads as [Workload, ...Workload[]];
	const names = workloads.map((one) => one.proxy.name).sort();
	const { inbound, outbound, gateway } = viewFor(snapshot, proxy);
	const hasProxy = state !== "none";
	const security: WorkloadSecurity = (gateway ?? inbound)?.security ?? { authorization: [], authentication: [] };
	const targets = (gateway ?? outbound)?.services.filter((view) => isTarget(view, proxy, query.to)) ?? [];
	const looked = new Set(query.to === undefined ? targets.slice(0, query.maxServices) : targets);
	return {
		names,
		namespace: proxy.namespace,
		type: proxy.type,
		proxy: state,
		certificate: proxy.workloadCertificate,
		inbound: (inbound?.ports ?? []).map((port) => ({
			port: port.targetPort,
			protocol: port.protocol,
			...(port.service === undefined ? {} : { service: port.service.name }),
			// Without a proxy nobody demands anything.
			...(hasProxy ? demandOf(security.mtls ?? permissiveMtls, port.targetPort) : {}),
		})),
		policies: hasProxy
			? security.authorization.map(({ source, action, provider, dryRun, rules }) => ({
					source,
					action,
					...(provider === undefined ? {} : { provider }),
					dryRun,
					rules: rules.length,
				}))
			: [],
		tokens: hasProxy
			? security.authentication.map(({ source, issuer, keys }) => ({ source, issuer, hasKeys: keys !== undefined }))
			: [],
		outbound: effectiveMtls(snapshot, { proxy, hasProxy }, (view) => looked.has(view)),
		servicesLeftOut: targets.length - looked.size,
	};
}

function demandOf(mtls: WorkloadMtls, port: number): Pick<WorkloadItem["inbound"][number], "accepts" | "by"> {
	const by = mtlsSourceOnPort(mtls, port);
	return { accepts: mtlsOnPort(mtls, port), ...(by === undefined ? {} : { by }) };
}

function isTarget({ service }: ServiceView, client: Named, to: string | undefined): boolean {
	if (to === undefined || service.hostname === to) return true;
	const [name, namespace = client.namespace, ...rest] = to.split(".");
	return rest.length === 0 && service.name === name && service.namespace === namespace;
}
