// A semantic of layer 4 as a Service, its endpoints and what connections to it must meet. In: a short form. Out: Kubernetes
// objects, the same for Keepmesh and for an API server, and probes. Each case is asked over TCP and UDP, IPv4 and IPv6.

import { addresses, type Place } from "./l4-world.ts";
import type { Met, Probe } from "./probe.ts";

/** A..C: pod-a's addresses; SELF: pod-b, the pod that asks; X..Z: pods of the other node, in the other zone. */
const places = {
	A: { at: addresses.podA, index: 0, node: "node-1", zone: "zone-a" },
	B: { at: addresses.podA, index: 1, node: "node-1", zone: "zone-a" },
	C: { at: addresses.podA, index: 2, node: "node-1", zone: "zone-a" },
	SELF: { at: addresses.podB, index: 0, node: "node-1", zone: "zone-a" },
	X: { at: addresses.otherPods, index: 0, node: "node-2", zone: "zone-b" },
	Y: { at: addresses.otherPods, index: 1, node: "node-2", zone: "zone-b" },
	Z: { at: addresses.otherPods, index: 2, node: "node-2", zone: "zone-b" },
} as const;

export type EndpointName = keyof typeof places;

export interface CaseEndpoint {
	readonly at: EndpointName;
	/** Default true. */
	readonly ready?: boolean;
	/** Default: as ready. */
	readonly serving?: boolean;
	readonly terminating?: boolean;
	readonly hints?: { readonly forZones?: readonly { name: string }[]; readonly forNodes?: readonly { name: string }[] };
}

/** Which address of the Service. The last two: the node's node port where it does not answer. */
export type FrontName = "cluster" | "nodePort" | "loadBalancer" | "external" | "loopback" | "nodeAtPods";

export type Expected =
	| {
			readonly by: readonly EndpointName[];
			readonly source: "own" | "node";
			/** Always the same one of them. Absent: each of them, sooner or later. */
			readonly sticks?: true;
	  }
	| "refused"
	| "silent";

export interface Row {
	readonly from: Place;
	readonly to: FrontName;
	readonly expect: Expected;
	/** Default 80. */
	readonly port?: number;
	/** From the client's second address. */
	readonly isAlias?: true;
}

export interface L4Case {
	readonly name: string;
	readonly spec?: object;
	readonly labels?: object;
	readonly annotations?: object;
	readonly ingress?: { readonly ipMode: "VIP" | "Proxy" };
	readonly hasExternalAddresses?: true;
	/** Default: port 80 to 8080. */
	readonly targets?: readonly { readonly port: number; readonly target: number }[];
	readonly endpoints: readonly CaseEndpoint[];
	readonly rows: readonly Row[];
}

export type Family = "IPv4" | "IPv6";
export type Protocol = "tcp" | "udp";

/** Of case number N, from 1. */
export function addressOf(front: FrontName, number: number, family: Family): string {
	const isV4 = family === "IPv4";
	switch (front) {
		case "cluster":
			return isV4 ? `10.96.1.${number}` : `fd96::1:${number}`;
		case "loadBalancer":
			return isV4 ? `10.98.1.${number}` : `fd98::1:${number}`;
		case "external":
			return isV4 ? `10.98.2.${number}` : `fd98::2:${number}`;
		case "nodePort":
			return addresses.node[isV4 ? 0 : 1];
		case "loopback":
			return isV4 ? "127.0.0.1" : "::1";
		case "nodeAtPods":
			return addresses.nodeAtPods[isV4 ? 0 : 1];
	}
}

/** The Service and its slices, one for each family. The Service's status is in it, as an API server returns it. */
export function objectsOf(one: L4Case, number: number): readonly Manifest[] {
	const name = `case-${number}`;
	const { annotations = {}, labels = {}, spec = {}, targets = [{ port: 80, target: 8080 }] } = one;
	const type = (spec as { type?: string }).type ?? "ClusterIP";
	const both = (front: FrontName): readonly string[] => families.map((family) => addressOf(front, number, family));
	const ports = targets.flatMap(({ port }, index) =>
		protocols.map((protocol) => ({
			name: `${protocol}-${port}`,
			protocol: protocol.toUpperCase(),
			port,
			targetPort: `${protocol}-${port}`,
			...(type === "ClusterIP" ? {} : { nodePort: nodePortOf(number) + index }),
		})),
	);
	const service = {
		apiVersion: "v1",
		kind: "Service",
		metadata: { name, namespace: "default", annotations, labels },
		spec: {
			type,
			clusterIP: both("cluster")[0],
			clusterIPs: both("cluster"),
			ipFamilies: families,
			ipFamilyPolicy: "RequireDualStack",
			ports,
			...(one.hasExternalAddresses ? { externalIPs: both("external") } : {}),
			...spec,
		},
		...(one.ingress
			? { status: { loadBalancer: { ingress: both("loadBalancer").map((ip) => ({ ip, ...one.ingress })) } } }
			: {}),
	};
	return [service, ...families.map((family) => sliceOf(one, name, family))];
}

export interface Manifest {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: { readonly name: string; readonly namespace: string };
	readonly status?: object;
}

function sliceOf(one: L4Case, name: string, family: Family): Manifest {
	const targets = one.targets ?? [{ port: 80, target: 8080 }];
	const slice = {
		apiVersion: "discovery.k8s.io/v1",
		kind: "EndpointSlice",
		metadata: {
			name: `${name}-${family.toLowerCase()}`,
			namespace: "default",
			labels: { "kubernetes.io/service-name": name },
		},
		addressType: family,
		ports: targets.flatMap(({ port, target }) =>
			protocols.map((protocol) => ({
				name: `${protocol}-${port}`,
				protocol: protocol.toUpperCase(),
				port: target,
			})),
		),
		endpoints: one.endpoints.map(({ at, ready = true, serving = ready, terminating = false, hints }) => ({
			addresses: [endpointAddress(at, family)],
			conditions: { ready, serving, terminating },
			nodeName: places[at].node,
			zone: places[at].zone,
			...(hints ? { hints } : {}),
		})),
	};
	return slice;
}

export const families: readonly Family[] = ["IPv4", "IPv6"];
export const protocols: readonly Protocol[] = ["tcp", "udp"];

/** One row over one family and protocol. */
export interface Cell {
	readonly row: Row;
	readonly family: Family;
	readonly protocol: Protocol;
	readonly probe: Probe;
	/** `outside -> nodePort:80 over tcp/IPv4`. */
	readonly title: string;
}

export function cellsOf(one: L4Case, number: number): readonly Cell[] {
	return one.rows.flatMap((row) =>
		families.flatMap((family) => protocols.map((protocol) => cellOf(one, number, row, family, protocol))),
	);
}

function cellOf(one: L4Case, number: number, row: Row, family: Family, protocol: Protocol): Cell {
	const targets = one.targets ?? [{ port: 80, target: 8080 }];
	const port = row.port ?? 80;
	const index = targets.findIndex((target) => target.port === port);
	const isNodePort = row.to === "nodePort" || row.to === "loopback" || row.to === "nodeAtPods";
	const probe: Probe = {
		protocol,
		address: addressOf(row.to, number, family),
		port: isNodePort ? nodePortOf(number) + index : port,
		...triesFor(row.expect, family, targets[index]?.target ?? 0),
		...(row.isAlias ? { from: addresses.clientAlias[family === "IPv4" ? 0 : 1] } : {}),
	};
	const from = row.isAlias ? `${row.from}'s second address` : row.from;
	return { row, family, protocol, probe, title: `${from} -> ${row.to}:${port} over ${protocol}/${family}` };
}

/** So many that missing one of them by chance happens less than once in a million. */
function triesFor(expect: Expected, family: Family, target: number): Pick<Probe, "tries" | "until"> {
	if (typeof expect === "string") return { tries: 2 };
	if (expect.sticks) return { tries: 8 };
	if (expect.by.length === 1) return { tries: 6 };
	return { tries: expect.by.length * 16, until: expect.by.map((name) => serverOf(name, family, target)) };
}

/** What is wrong with it; undefined: as expected. */
export function judge({ row, family }: Cell, met: Met, target: number): string | undefined {
	const seen = `met ${describe(met)}`;
	if (row.expect === "refused") return met.refused === met.tries ? undefined : `should be refused, ${seen}`;
	if (row.expect === "silent") return met.silent === met.tries ? undefined : `should be dropped, ${seen}`;
	const { by, source, sticks } = row.expect;
	const wanted = by.map((name) => serverOf(name, family, target)).sort();
	const whole = `${wanted.join(" ")} should ${sticks ? "keep answering, one of them," : "answer"}`;
	if (met.refused + met.silent + met.errors.length > 0) return `${whole}, ${seen}`;
	const isBy = sticks
		? met.answeredBy.length === 1 && wanted.includes(met.answeredBy[0] ?? "")
		: met.answeredBy.join() === wanted.join();
	if (!isBy) return `${whole}, ${seen}`;
	const own = ownAddresses(row, family);
	const allowed = source === "own" ? own : [...addresses.node, ...addresses.nodeAtPods];
	return met.sources.every((one) => allowed.includes(one)) ? undefined : `the server should see ${source}, ${seen}`;
}

export function describe(met: Met): string {
	const parts = [
		met.answeredBy.length > 0 ? `answers of ${met.answeredBy.join(" ")} to ${met.sources.join(" ")}` : "",
		met.refused > 0 ? `${met.refused} refused` : "",
		met.silent > 0 ? `${met.silent} dropped` : "",
		...met.errors,
	];
	return `${parts.filter((part) => part !== "").join(", ")} (of ${met.tries})`;
}

export function targetOf(one: L4Case, row: Row): number {
	return one.targets?.find(({ port }) => port === (row.port ?? 80))?.target ?? 8080;
}

function ownAddresses(row: Row, family: Family): readonly string[] {
	const index = family === "IPv4" ? 0 : 1;
	if (row.from === "pod") return [addresses.podB[index]];
	if (row.from === "outside") return [(row.isAlias ? addresses.clientAlias : addresses.client)[index]];
	return [...addresses.node, ...addresses.nodeAtPods];
}

function serverOf(name: EndpointName, family: Family, target: number): string {
	const address = endpointAddress(name, family);
	return family === "IPv6" ? `[${address}]:${target}` : `${address}:${target}`;
}

function endpointAddress(name: EndpointName, family: Family): string {
	const { at, index } = places[name];
	const own = at.filter((address) => address.includes(":") === (family === "IPv6"))[index];
	if (own === undefined) throw new Error(`${name} has no ${family} address`);
	return own;
}

function nodePortOf(number: number): number {
	return 30_000 + 10 * number;
}
