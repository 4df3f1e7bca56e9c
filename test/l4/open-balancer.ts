// Keepmesh's balancer over a lane's node, as the node agent runs it.

import { openConntrackTable } from "../../src/kernel/linux/conntrack/conntrack-table.ts";
import { openNftablesTables } from "../../src/kernel/linux/nftables/linux-nftables-tables.ts";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { ServiceBalancer } from "../../src/node/layer4/service-balancer.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { startLog } from "../../src/runtime/log.ts";

export function openBalancer(netns: string, node: NodeFacts): ServiceBalancer {
	const tables = openNftablesTables({ netns });
	const conntrack = openConntrackTable({ netns });
	if (!tables.ok || !conntrack.ok) throw new Error(JSON.stringify([tables, conntrack]));
	return new ServiceBalancer(node, {
		tables: tables.value,
		conntrack: conntrack.value,
		clock: realClock,
		log: startLog({ level: "warn" }),
	});
}

/** Rules are written at the end of the turn that changed Services. Throws when the kernel refused them. */
export async function written(balancer: ServiceBalancer): Promise<void> {
	await Promise.resolve();
	if (!balancer.isInForce) throw new Error(JSON.stringify(balancer.problems().slice(0, 3)));
}
