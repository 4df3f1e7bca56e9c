// Virtual servers in the kernel's IPVS, without disturbing those of others.

import type { NodeFacts } from "../../l4/node-facts.ts";
import type { OpenedRules, RulesOptions } from "./virtual-server-rules.ts";

export function openIpvsRules(_facts: NodeFacts, _options: RulesOptions): OpenedRules {
	return { ok: false, because: "IPVS is not wired up yet" };
}
