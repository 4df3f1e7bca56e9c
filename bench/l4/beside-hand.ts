// What Keepmesh's rules cost beside the best ones that can be written by hand for one Service: new connections, bytes, and
// round trips of one open connection. Three machines alike take turns, round by round; the hand-written rules run on two of
// them, to show what the measurement itself is worth.

import { layer4Key } from "../../src/l4/layer4-service.ts";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { openBalancer, written } from "../../test/l4/open-balancer.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { accept, close, connectTo, openServer, openSockets, receive, target, write } from "./fast-sockets.ts";
import { benchNode, createLane, type Lane } from "./lane.ts";
import { endpointAddress, endpointPort, oneService, serviceAddress, servicePort } from "./many-services.ts";

const rounds = 120;
const connections = 150;
const chunk = Buffer.alloc(128 * 1024);
const chunks = 120;
const roundTrips = 300;

const variants = ["by hand", "Keepmesh", "by hand again"] as const;
type Variant = (typeof variants)[number];
const measures = ["new connections", "throughput", "round trips"] as const;

interface Side {
	readonly variant: Variant;
	readonly lane: Lane;
	readonly server: number;
	readonly client: number;
	readonly accepted: number;
	/** A second's worth, by round. */
	readonly rates: Readonly<Record<(typeof measures)[number], number[]>>;
}

const endpoints = [1, 2, 3].map(endpointAddress);
const to = target(serviceAddress(0), servicePort);

export async function besideHandRows(rig: Rig): Promise<readonly BenchRow[]> {
	const sides: Side[] = [];
	for (const [index, variant] of variants.entries())
		sides.push(await openSide(createLane(rig, `hand-${index}`), variant));
	for (let round = 0; round < rounds; round++) {
		// Nobody is always first.
		const order = sides.map((_, index) => sides[(index + round) % sides.length]);
		for (const side of order) side?.rates["new connections"].push(connectionRate(side));
		for (const side of order) side?.rates.throughput.push(throughput(side));
		for (const side of order) side?.rates["round trips"].push(roundTripRate(side));
	}
	for (const { lane, server, client, accepted } of sides) {
		close(server, client, accepted);
		lane.close();
	}
	return measures.flatMap((measure) => rowsOf(sides, measure));
}

function rowsOf(sides: readonly Side[], measure: (typeof measures)[number]): readonly BenchRow[] {
	const rates = (variant: Variant) => sides.find((side) => side.variant === variant)?.rates[measure] ?? [];
	const base = rates("by hand");
	const less = (variant: Variant) =>
		spreadOf(rates(variant).map((rate, round) => 100 * (1 - rate / (base[round] ?? Number.NaN))));
	const unit = measure === "throughput" ? "MB/s" : "a second";
	return [
		{ what: `${measure}, by hand`, unit, spread: spreadOf(base) },
		{ what: `${measure}, Keepmesh`, unit, spread: spreadOf(rates("Keepmesh")) },
		{ what: `${measure}, less than by hand`, unit: "%", spread: less("Keepmesh"), target: "median <= 2" },
		{ what: `${measure}, by hand again`, unit: "%", spread: less("by hand again") },
	];
}

async function openSide(lane: Lane, variant: Variant): Promise<Side> {
	if (variant === "Keepmesh") {
		const balancer = openBalancer(lane.node, benchNode);
		const service = oneService(0, endpoints);
		balancer.update(new Map([[layer4Key(service), service]]));
		await written(balancer);
		balancer.close({ keepRules: true });
	} else lane.nft(byHand());
	const server = openServer(lane.servers, "tcp", endpointPort);
	const [client = 0] = openSockets(lane.client, "tcp", 1);
	connectTo(client, to);
	const accepted = accept(server);
	return {
		variant,
		lane,
		server,
		client,
		accepted,
		rates: { "new connections": [], throughput: [], "round trips": [] },
	};
}

/** Nothing but what this one Service needs. */
function byHand(): string {
	const list = endpoints.map((address, slot) => `${slot} : ${address} . ${endpointPort}`).join(", ");
	return `table ip by-hand {
		chain prerouting {
			type nat hook prerouting priority dstnat; policy accept;
			ip daddr ${serviceAddress(0)} tcp dport ${servicePort} dnat to numgen random mod ${endpoints.length} map { ${list} }
		}
	}`;
}

function connectionRate({ lane, server }: Side): number {
	const sockets = openSockets(lane.client, "tcp", connections);
	const startMs = performance.now();
	for (const socket of sockets) {
		connectTo(socket, to);
		close(accept(server), socket);
	}
	return (1000 * connections) / (performance.now() - startMs);
}

function throughput({ client, accepted }: Side): number {
	const startMs = performance.now();
	let left = chunks * chunk.length;
	while (left > 0) {
		write(client, chunk);
		for (let count = receive(accepted, chunk); count > 0; count = receive(accepted, chunk)) left -= count;
	}
	const tookMs = performance.now() - startMs;
	while (receive(accepted, chunk) > 0);
	return (chunks * chunk.length) / 1000 / tookMs;
}

function roundTripRate({ client, accepted }: Side): number {
	const word = Buffer.from("?");
	const startMs = performance.now();
	for (let trip = 0; trip < roundTrips; trip++) {
		write(client, word);
		if (receive(accepted, word) !== 1) throw new Error("a byte did not arrive within the call that sent it");
		write(accepted, word);
		receive(client, word);
	}
	return (1000 * roundTrips) / (performance.now() - startMs);
}
