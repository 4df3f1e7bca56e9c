// Services -> which of their ports meet on which listener. Declared HTTP of a port shares `0.0.0.0_PORT`; everything else
// has a listener for each address, and shares the wildcard only where it has no address of its own.

import type { ServicePort } from "../../model/service.ts";
import type { ServiceView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import { addressRanges, singleAddresses } from "../route-table-name.ts";

export const wildcardAddress = "0.0.0.0";

export interface ListenerEntry {
	readonly view: ServiceView;
	readonly port: ServicePort;
	/** `http`: routed by host. `sniffed`: HTTP or not, found out from the first bytes. `tls`: by SNI. `tcp`: never looked into. */
	readonly kind: "http" | "sniffed" | "tls" | "tcp";
	/** On the wildcard listener: only connections to these addresses belong to it. */
	readonly ranges: readonly string[];
}

export interface PlannedListener {
	readonly address: string;
	readonly port: number;
	/** The oldest service first: it wins where two want the same. */
	readonly entries: readonly ListenerEntry[];
}

export function planListeners(services: readonly ServiceView[]): readonly PlannedListener[] {
	const planned = new Map<string, { address: string; port: number; entries: ListenerEntry[] }>();
	const add = (address: string, entry: ListenerEntry): void => {
		if (address === wildcardAddress && portsOfOwnListeners.has(entry.port.number)) return;
		const key = `${address}_${entry.port.number}`;
		const listener = planned.get(key);
		if (listener) listener.entries.push(entry);
		else planned.set(key, { address, port: entry.port.number, entries: [entry] });
	};
	for (const view of services) {
		for (const port of view.service.ports) {
			const kind = entryKind(port);
			if (!kind || reservedPorts.has(port.number)) continue;
			if (kind === "http") {
				add(wildcardAddress, { view, port, kind, ranges: [] });
				continue;
			}
			const addresses = singleAddresses(view.service);
			const ranges = addressRanges(view.service);
			for (const address of addresses) add(address, { view, port, kind, ranges: [] });
			if (ranges.length > 0) add(wildcardAddress, { view, port, kind, ranges });
			// An allocated address reaches only clients that ask the mesh's DNS; SNI finds the others without a risk.
			else if (addresses.length === 0 || (view.service.allocated && kind === "tls")) {
				add(wildcardAddress, { view, port, kind, ranges: [] });
			}
		}
	}
	for (const listener of planned.values()) listener.entries.sort(byAge);
	return [...planned.values()];
}

/** Envoy's own: a service on one of them would capture what is meant for the proxy. */
const reservedPorts: ReadonlySet<number> = new Set([15001, 15006]);

/** Readiness and figures of the proxy itself listen there on all addresses: a second listener would be refused (as in Istio). */
const portsOfOwnListeners: ReadonlySet<number> = new Set([15021, 15090]);

function entryKind(port: ServicePort): ListenerEntry["kind"] | undefined {
	switch (port.protocol) {
		case "HTTP":
		case "HTTP2":
		case "GRPC":
		case "GRPC-WEB":
			return "http";
		case "AUTO":
			return "sniffed";
		case "TLS":
		case "HTTPS":
			return "tls";
		case "TCP":
		case "MONGO":
		case "MYSQL":
		case "REDIS":
			return "tcp";
		case "UDP":
			return undefined;
		default:
			return port.protocol satisfies never;
	}
}

function byAge(a: ListenerEntry, b: ListenerEntry): number {
	const x = a.view.service;
	const y = b.view.service;
	return x.createdMs - y.createdMs || compareText(x.name, y.name) || compareText(x.namespace, y.namespace);
}
