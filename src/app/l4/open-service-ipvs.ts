// The kernel's IPVS for Services: opened, its time-outs and the machine's settings as they are asked for. Not every kernel has it.

import { ipvsHostSettings } from "../../kernel/linux/ipvs/ipvs-host-settings.ts";
import { openIpvsTable } from "../../kernel/linux/ipvs/linux-ipvs-table.ts";
import { openLocalRoutes } from "../../kernel/linux/ipvs/linux-local-routes.ts";
import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { IpvsSettings } from "../../l4/services/kube-proxy-settings.ts";
import { closedWith } from "../../node/layer4/backend-rules.ts";
import { IpvsRules, type OwnedRecord } from "../../node/layer4/ipvs-rules.ts";
import type { RulesProblem } from "../../node/layer4/layer4-status.ts";
import type { MachineSettings } from "../../node/layer4/machine-settings.ts";
import type { OpenedIpvs } from "../../node/layer4/service-balancer.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

export interface ServiceIpvsOptions {
	readonly settings: IpvsSettings;
	readonly syncPeriodMs: number;
	readonly tables: NftablesTables;
	readonly record: OwnedRecord;
	readonly machine: MachineSettings;
	readonly clock: Clock;
	readonly log: Log;
	/** Settings of the machine that could not be made. */
	readonly onProblem: (problem: RulesProblem) => void;
}

export function openServiceIpvs(node: NodeFacts, options: ServiceIpvsOptions): OpenedIpvs {
	const { settings, tables, record, machine, clock, log, onProblem } = options;
	const ipvs = openIpvsTable();
	if (!ipvs.ok) return { ok: false, because: ipvs.message };
	const routes = openLocalRoutes({ families: node.families });
	if (!routes.ok) {
		ipvs.value.close();
		return { ok: false, because: routes.message };
	}
	for (const because of machine.set(ipvsHostSettings({ strictArp: settings.strictArp })))
		onProblem({ about: "ipvs", because });
	const { tcpTimeoutSec: tcpSec = 0, tcpFinTimeoutSec: tcpFinSec = 0, udpTimeoutSec: udpSec = 0 } = settings;
	if (tcpSec + tcpFinSec + udpSec > 0) {
		const set = ipvs.value.setTimeouts({ tcpSec, tcpFinSec, udpSec });
		if (!set.ok) onProblem({ about: "ipvs", because: set.message });
	}
	const rules = new IpvsRules(
		node,
		{ ipvs: ipvs.value, tables, routes: routes.value, record, clock, log },
		{ excludeRanges: settings.excludeRanges, syncPeriodMs: options.syncPeriodMs },
	);
	return {
		ok: true,
		rules: closedWith(rules, ({ keepRules }) => {
			if (!keepRules) machine.putBack();
			routes.value.close();
			ipvs.value.close();
		}),
	};
}
