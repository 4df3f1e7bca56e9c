// The kernel of virtual servers: nftables or IPVS, in tables of their own. In: which one is wanted. Out: where balancers go, or why
// there is no such thing on this machine.

import { hostname } from "node:os";
import { openNftablesTables } from "../../kernel/linux/nftables/linux-nftables-tables.ts";
import { NftablesPlan } from "../../l4/nftables/nftables-plan.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { BalancingBackend } from "../../l4/virtual-server/balancing-backend.ts";
import { type BackendRules, closedWith } from "../../node/layer4/backend-rules.ts";
import { BalancerRules } from "../../node/layer4/balancer-rules.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { renamedTables } from "./renamed-tables.ts";

export type OpenedRules =
	| { readonly ok: true; readonly backend: BalancingBackend; readonly rules: BackendRules }
	| { readonly ok: false; readonly because: string };

export const virtualServerTable = "keepmesh-virtual-servers";

/** Virtual servers know no pods, no zones and no node ports. */
const facts: NodeFacts = {
	name: hostname(),
	families: ["ipv4", "ipv6"],
	nodePortAddresses: [],
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

export interface RulesOptions {
	readonly backend: BalancingBackend | "auto";
	/** Where a restart finds what is ours. */
	readonly state: string;
	readonly clock: Clock;
	readonly log: Log;
}

/** `auto`: IPVS where the kernel has it, for that is what virtual_server blocks are written for. */
export async function openVirtualServerRules(options: RulesOptions): Promise<OpenedRules> {
	if (options.backend !== "nftables") {
		const { openIpvsRules } = await import("./ipvs-rules.ts");
		const opened = openIpvsRules(facts, options);
		if (opened.ok || options.backend === "ipvs") return opened;
		options.log.info({ because: opened.because }, "there is no IPVS: nftables is used");
	}
	const opened = openNftablesTables();
	if (!opened.ok) return { ok: false, because: opened.message };
	const tables = renamedTables(opened.value, virtualServerTable);
	const rules = new BalancerRules(facts, {
		tables,
		newPlan: (node) => new NftablesPlan(node),
		clock: options.clock,
		log: options.log,
	});
	return { ok: true, backend: "nftables", rules: closedWith(rules, () => tables.close()) };
}
