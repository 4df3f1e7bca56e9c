// Takes layer 4 out of the kernel: after a run that was killed, or that is not to come again. In: the state directory with the records
// of what was ours. Out: no tables, virtual servers and routes of Services, and the machine's settings as they were.

import { openIpvsTable } from "../../kernel/linux/ipvs/linux-ipvs-table.ts";
import { openLocalRoutes } from "../../kernel/linux/ipvs/linux-local-routes.ts";
import { openNftablesTables } from "../../kernel/linux/nftables/linux-nftables-tables.ts";
import { ipvsTables } from "../../l4/ipvs/traffic-sets.ts";
import { layer4Tables } from "./balancer-rules.ts";
import { removeOwned } from "./ipvs-rules.ts";
import { MachineSettings } from "./machine-settings.ts";
import { ownedRecord, serviceRecord } from "./owned-record.ts";

export interface RemovedRules {
	readonly tables: number;
	readonly virtualServers: number;
}

/** How much there was; rejects with the kernel's reason. */
export async function removeLayer4Rules(state: string): Promise<RemovedRules> {
	const opened = openNftablesTables();
	if (!opened.ok) throw new Error(opened.message);
	const tables = opened.value;
	try {
		const present = [...layer4Tables, ...ipvsTables].filter((table) => tables.read(table) !== undefined);
		const virtualServers = removeVirtualServers(state);
		const changes = present.map((table) => ({ table, change: { type: "deleteTable" } as const }));
		const written = changes.length === 0 ? undefined : tables.apply(changes);
		if (written?.ok === false) throw new Error(written.message);
		const problems = new MachineSettings(state).putBack();
		if (problems.length > 0) throw new Error(problems.join("; "));
		return { tables: present.length, virtualServers };
	} finally {
		tables.close();
	}
}

function removeVirtualServers(state: string): number {
	const record = ownedRecord(state, serviceRecord);
	const owned = record.read();
	// Without families: it only takes away.
	const routes = openLocalRoutes({ families: [] });
	if (routes.ok) {
		routes.value.cleanUp();
		routes.value.close();
	}
	if (owned.size === 0) return 0;
	const ipvs = openIpvsTable();
	// Without IPVS there are no virtual servers.
	const removed = ipvs.ok ? removeOwned(ipvs.value, owned) : 0;
	if (ipvs.ok) ipvs.value.close();
	record.write([]);
	return removed;
}
