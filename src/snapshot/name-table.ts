// What the DNS server of a proxy's node answers: names of the services that the proxy may call -> addresses. Services with a
// virtual address answer with it; headless ones with their endpoints, and each named pod with its own.

import type { Endpoint } from "../model/endpoint.ts";
import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { MeshService } from "../model/service.ts";
import { compareText } from "../resources/config-object.ts";
import { gatewayViewFor } from "./gateway-view.ts";
import { outboundViewFor } from "./outbound-view.ts";
import type { Snapshot } from "./snapshot.ts";

export interface NameEntry {
	/** All names of it, the full one first: `svc.ns.svc.cluster.local`, `svc.ns.svc`, `svc.ns`, and `svc` in its own namespace. */
	readonly names: readonly string[];
	/** IPs, sorted; never empty. */
	readonly addresses: readonly string[];
	readonly registry: MeshService["registry"];
	readonly namespace: string;
	/** Name of the Kubernetes Service, for search domains; absent for hosts of ServiceEntries and for single pods. */
	readonly shortName?: string;
}

export interface NameTable {
	/** Sorted by full name; a name may start with `*.`. */
	readonly entries: readonly NameEntry[];
}

export function nameTableFor(snapshot: Snapshot, proxy: MeshProxy): NameTable {
	const view = proxy.type === "router" ? gatewayViewFor(snapshot, proxy) : outboundViewFor(snapshot, proxy);
	const entries = view.services.flatMap(({ service }) => entriesOf(snapshot, proxy, service));
	return { entries: entries.sort((a, b) => compareText(a.names[0] ?? "", b.names[0] ?? "")) };
}

function entriesOf(snapshot: Snapshot, proxy: MeshProxy, service: MeshService): readonly NameEntry[] {
	if (service.headless) return headlessEntries(snapshot, proxy, service);
	// A range of addresses is no answer; `10.0.0.1/32` is one address.
	const addresses = service.addresses.flatMap((address) => {
		const [ip = "", length] = address.split("/");
		return length === undefined || length === (ip.includes(":") ? "128" : "32") ? [ip] : [];
	});
	return entry(proxy, service, "", addresses);
}

function headlessEntries(snapshot: Snapshot, proxy: MeshProxy, service: MeshService): readonly NameEntry[] {
	const byPort = snapshot.endpoints.byService.get(service.key)?.byPort;
	const all = new Map<string, Endpoint>();
	for (const endpoints of byPort?.values() ?? [])
		for (const endpoint of endpoints) if (endpoint.health === "healthy") all.set(endpoint.address, endpoint);
	const named = Map.groupBy(
		[...all.values()].filter((endpoint) => endpoint.hostname !== undefined),
		(endpoint) => endpoint.hostname ?? "",
	);
	const pods = [...named].flatMap(([hostname, endpoints]) =>
		entry(proxy, service, `${hostname}.`, addressesOf(endpoints)),
	);
	return [...entry(proxy, service, "", addressesOf([...all.values()])), ...pods];
}

function addressesOf(endpoints: readonly Endpoint[]): readonly string[] {
	return endpoints.map((endpoint) => endpoint.address);
}

function entry(
	proxy: MeshProxy,
	service: MeshService,
	pod: string,
	addresses: readonly string[],
): readonly NameEntry[] {
	if (addresses.length === 0) return [];
	const { hostname, namespace, name, registry } = service;
	const own = proxy.namespace === namespace ? [name] : [];
	const short = registry === "kubernetes" ? [`${name}.${namespace}.svc`, `${name}.${namespace}`, ...own] : [];
	return [
		{
			names: [hostname, ...short].map((host) => `${pod}${host}`),
			addresses: [...new Set(addresses)].sort(),
			registry,
			namespace,
			...(registry === "kubernetes" && pod === "" ? { shortName: name } : {}),
		},
	];
}
