// What a new connection costs when a node has a hundred or thirty thousand Services: connect(2) through the node, which ends
// when the answer to the first packet is there.

import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { openBalancer, written } from "../../test/l4/open-balancer.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { accept, close, connectTo, openServer, openSockets, target } from "./fast-sockets.ts";
import { benchNode, createLane, type Lane } from "./lane.ts";
import { endpointAddress, endpointPort, manyServices, serviceAddress, servicePort } from "./many-services.ts";

const sizes = [100, 1000, 10_000, 30_000];
const rounds = 25;
const connections = 200;

export async function firstPacketRows(rig: Rig): Promise<readonly BenchRow[]> {
	const lanes: { readonly services: number; readonly lane: Lane; readonly server: number; readonly us: number[] }[] =
		[];
	for (const services of [0, ...sizes]) {
		const lane = createLane(rig, `first-${services}`);
		if (services > 0) {
			const balancer = openBalancer(lane.node, benchNode);
			balancer.update(manyServices(services, 10));
			await written(balancer);
			balancer.close({ keepRules: true });
		}
		lanes.push({ services, lane, server: openServer(lane.servers, "tcp", endpointPort), us: [] });
	}
	// Sizes take turns, so that a busy moment of the machine is everybody's.
	for (let round = 0; round < rounds; round++)
		for (const { services, lane, server, us } of lanes) us.push(connectUs(lane, server, services, round));
	for (const { lane, server } of lanes) {
		close(server);
		lane.close();
	}
	const base = lanes.find(({ services }) => services === sizes[0])?.us ?? [];
	return lanes.flatMap(({ services, us }) => {
		const what = services === 0 ? "no rules, straight to an endpoint" : `${services} services`;
		const made: BenchRow[] = [{ what: `connect, ${what}`, unit: "us", spread: spreadOf(us) }];
		const extra = us.map((value, round) => 100 * (value / (base[round] ?? Number.NaN) - 1));
		if (services > (sizes[0] ?? 0))
			made.push({ what: `connect, ${what}, beside ${sizes[0]}`, unit: "%", spread: spreadOf(extra), target: "flat" });
		return made;
	});
}

/** Median of one round. */
function connectUs(lane: Lane, server: number, services: number, seed: number): number {
	const sockets = openSockets(lane.client, "tcp", connections);
	const took: number[] = [];
	for (const [index, socket] of sockets.entries()) {
		// Spread over all of them, not always the same: caches should not help.
		const number = (index * 7919 + seed * 104_729) % Math.max(services, 1);
		const to =
			services === 0 ? target(endpointAddress(index + 1), endpointPort) : target(serviceAddress(number), servicePort);
		const start = process.hrtime.bigint();
		connectTo(socket, to);
		took.push(Number(process.hrtime.bigint() - start) / 1000);
		close(accept(server));
	}
	close(...sockets);
	return spreadOf(took).median;
}
