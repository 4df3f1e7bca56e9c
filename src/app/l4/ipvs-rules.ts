// Virtual servers in the kernel's IPVS, as keepalived has them there, beside those of others. A server that has failed leaves at once:
// whoever waited for its connections would wait for the dead.

import { openIpvsTable } from "../../kernel/linux/ipvs/linux-ipvs-table.ts";
import { openNftablesTables } from "../../kernel/linux/nftables/linux-nftables-tables.ts";
import type { LocalRoutes } from "../../kernel/local-routes.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { closedWith } from "../../node/layer4/backend-rules.ts";
import { IpvsRules } from "../../node/layer4/ipvs-rules.ts";
import { ownedRecord } from "../../node/layer4/owned-record.ts";
import { renamedTables } from "./renamed-tables.ts";
import type { OpenedRules, RulesOptions } from "./virtual-server-rules.ts";

export const virtualServerIpvsTable = "keepmesh-virtual-servers-ipvs";

/** keepmesh vip makes addresses local, or somebody else does. */
const noRoutes: LocalRoutes = {
	read: () => [],
	add: () => ({ ok: true, changed: false }),
	remove: () => ({ ok: true, changed: false }),
	cleanUp: () => [],
	close: () => undefined,
};

export function openIpvsRules(facts: NodeFacts, { clock, log, state }: RulesOptions): OpenedRules {
	const ipvs = openIpvsTable();
	if (!ipvs.ok) return { ok: false, because: ipvs.message };
	const nftables = openNftablesTables();
	if (!nftables.ok) {
		ipvs.value.close();
		return { ok: false, because: nftables.message };
	}
	const tables = renamedTables(nftables.value, virtualServerIpvsTable);
	const record = ownedRecord(state, "ipvs-virtual-servers");
	const rules = new IpvsRules(
		facts,
		{ ipvs: ipvs.value, tables, routes: noRoutes, record, clock, log },
		{ drain: { pollMs: 1, longestMs: 0 } },
	);
	return {
		ok: true,
		backend: "ipvs",
		rules: closedWith(rules, () => {
			tables.close();
			ipvs.value.close();
		}),
	};
}
