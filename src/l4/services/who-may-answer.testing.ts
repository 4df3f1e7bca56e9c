// A second opinion on what a Service means, written from the documentation of its fields and for one connection at a time: it
// knows nothing of plans. Tests hold plans against it.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { SliceEndpoint } from "../../resources/kinds/core.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { Connection } from "./trace-connection.ts";

export interface World {
	readonly service: ConfigObject<"Service">;
	readonly slices: readonly ConfigObject<"EndpointSlice">[];
	readonly node: NodeFacts;
}

/** `ADDRESS PORT SEEN`, sorted, where SEEN is `client` or `node`; or why nobody answers. */
export type Expected = readonly string[] | "dropped" | "refused" | "untouched";

export function whoMayAnswer(world: World, connection: Connection): Expected {
	const entrance = entranceOf(world, connection);
	if (typeof entrance === "string") return entrance;
	if (entrance.isFiltered && !passesFilter(world, connection)) return "dropped";
	const candidates = candidatesOf(world, entrance.portName, connection);
	if (best(candidates).length === 0) return "refused";
	const { spec } = world.service;
	const isPod = fromPod(world.node, connection);
	if (entrance.isCluster) {
		const hidden = world.node.masqueradeAll || (knowsPods(world.node, connection) && !isPod);
		const pool =
			spec.internalTrafficPolicy === "Local" ? best(candidates.filter(isHere)) : near(candidates, world.node);
		return answers(pool, hidden, connection);
	}
	const obeysLocal = spec.externalTrafficPolicy === "Local" && !(connection.from === "node" || isPod);
	if (obeysLocal) return answers(best(candidates.filter(isHere)), false, connection);
	// Pods of a Local Service skip the detour to the load balancer: nobody hides them. Everybody else is hidden.
	const hidden = !(spec.externalTrafficPolicy === "Local" && isPod);
	return answers(near(candidates, world.node), hidden, connection);
}

interface Entrance {
	readonly portName: string;
	readonly isCluster: boolean;
	readonly isFiltered: boolean;
}

function entranceOf(
	{ service, node }: World,
	{ destination, port, protocol }: Connection,
): Entrance | "refused" | "untouched" {
	const { spec } = service;
	const isV6 = destination.includes(":");
	const ofProtocol = (spec.ports ?? []).filter((one) => (one.protocol ?? "TCP").toLowerCase() === protocol);
	const named = ofProtocol.find((one) => one.port === port)?.name;
	const own = [spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])].map(plain);
	if (own.includes(destination))
		return named === undefined ? "refused" : { portName: named, isCluster: true, isFiltered: false };
	if (!own.some((address) => address !== "" && address.includes(":") === isV6)) return "untouched";
	const ingress = spec.status?.loadBalancer?.ingress ?? [];
	const balanced = ingress.some(({ ip = "", ipMode }) => ipMode !== "Proxy" && plain(ip) === destination);
	if (balanced || (spec.externalIPs ?? []).some((ip) => plain(ip) === destination))
		if (named !== undefined) return { portName: named, isCluster: false, isFiltered: balanced };
	const byNodePort = ofProtocol.find((one) => one.nodePort === port)?.name;
	if (byNodePort === undefined || !node.nodePortAddresses.includes(destination)) return "untouched";
	return { portName: byNodePort, isCluster: false, isFiltered: false };
}

/** The worlds of the tests write IPv6 in capitals or not, and else in one way. */
const plain = (address: string): string => address.toLowerCase();

function passesFilter({ service, node }: World, { source, destination }: Connection): boolean {
	const isV6 = destination.includes(":");
	const ranges = (service.spec.loadBalancerSourceRanges ?? [])
		.map((range) => range.trim())
		.filter((range) => range.includes(":") === isV6);
	if (ranges.length === 0 || ranges.some((range) => within(range, source))) return true;
	const vips = (service.spec.status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== "Proxy");
	const isOwnVip = vips.some(({ ip = "" }) => plain(ip) === source);
	const self = (node.nodeAddresses ?? node.nodePortAddresses).filter((address) => address.includes(":") === isV6);
	return isOwnVip && self.some((address) => ranges.some((range) => within(range, address)));
}

/** The worlds of the tests have only ranges that end between two parts: /0, and whole parts in front. */
function within(range: string, address: string): boolean {
	const [prefix = "", length = ""] = range.split("/");
	if (length === "0") return true;
	const separator = prefix.includes(":") ? ":" : ".";
	const parts = Number(length) / (separator === ":" ? 16 : 8);
	const head = (text: string): string => text.split(separator).slice(0, parts).join(separator);
	return head(plain(prefix)) === head(plain(address));
}

interface Candidate {
	readonly address: string;
	readonly port: number;
	readonly endpoint: SliceEndpoint;
	readonly here: boolean;
	readonly rank: "ready" | "leaving" | "useless";
}

const isHere = (candidate: Candidate): boolean => candidate.here;

function candidatesOf({ slices, node }: World, portName: string, connection: Connection): readonly Candidate[] {
	const type = connection.destination.includes(":") ? "IPv6" : "IPv4";
	const byPlace = new Map<string, Candidate>();
	const inOrder = [...slices].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
	for (const { metadata, spec } of inOrder) {
		if (metadata.labels["kubernetes.io/service-name"] !== "web") continue;
		if (spec.addressType !== type || "service.kubernetes.io/headless" in metadata.labels) continue;
		for (const { name = "", port = 0, protocol = "TCP" } of spec.ports) {
			if (name !== portName || protocol.toLowerCase() !== connection.protocol || port === 0) continue;
			for (const endpoint of spec.endpoints) {
				const found = candidateOf(endpoint, port, node);
				const known = byPlace.get(`${found.address} ${port}`);
				if (known === undefined || quality(found) > quality(known)) byPlace.set(`${found.address} ${port}`, found);
			}
		}
	}
	return [...byPlace.values()];
}

function candidateOf(endpoint: SliceEndpoint, port: number, node: NodeFacts): Candidate {
	const { ready, serving, terminating } = endpoint.conditions ?? {};
	const rank = ready !== false ? "ready" : serving !== false && terminating === true ? "leaving" : "useless";
	return { address: plain(endpoint.addresses[0] ?? ""), port, endpoint, here: endpoint.nodeName === node.name, rank };
}

/** Of two endpoints at one place: staying before leaving, then ready, then serving. */
function quality({ endpoint: { conditions = {} } }: Candidate): number {
	const points = [conditions.terminating === true, conditions.ready === false, conditions.serving === false];
	return points.reduce((sum, bad, index) => sum - (bad ? 4 >> index : 0), 0);
}

/** All of the best rank that there is. */
function best(candidates: readonly Candidate[]): readonly Candidate[] {
	const ready = candidates.filter(({ rank }) => rank === "ready");
	return ready.length > 0 ? ready : candidates.filter(({ rank }) => rank === "leaving");
}

function near(candidates: readonly Candidate[], node: NodeFacts): readonly Candidate[] {
	const able = best(candidates);
	if (able[0]?.rank !== "ready") return able;
	const narrowed = (hintsOf: (candidate: Candidate) => readonly string[], place: string): readonly Candidate[] => {
		if (able.some((candidate) => hintsOf(candidate).length === 0)) return [];
		return able.filter((candidate) => hintsOf(candidate).includes(place));
	};
	const sameNode = narrowed(({ endpoint }) => (endpoint.hints?.forNodes ?? []).map(({ name }) => name), node.name);
	if (sameNode.length > 0) return sameNode;
	const sameZone = narrowed(
		({ endpoint }) => (endpoint.hints?.forZones ?? []).map(({ name }) => name),
		node.zone ?? "",
	);
	return sameZone.length > 0 ? sameZone : able;
}

function answers(pool: readonly Candidate[], hidden: boolean, { source }: Connection): Expected {
	if (pool.length === 0) return "dropped";
	const seenBy = ({ address, here }: Candidate): string => (hidden || (here && address === source) ? "node" : "client");
	return pool.map((candidate) => `${candidate.address} ${candidate.port} ${seenBy(candidate)}`).sort();
}

function knowsPods({ localTraffic }: NodeFacts, { source }: Connection): boolean {
	if (localTraffic?.type === "interface") return true;
	return localTraffic?.ranges.some((range) => range.includes(":") === source.includes(":")) ?? false;
}

function fromPod(node: NodeFacts, connection: Connection): boolean {
	if (node.localTraffic?.type === "interface") return connection.from === "pod";
	const ranges = (node.localTraffic?.ranges ?? []).filter(
		(range) => range.includes(":") === connection.source.includes(":"),
	);
	return ranges.some((range) => within(range, connection.source));
}
