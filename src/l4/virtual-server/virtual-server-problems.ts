// Everything that virtual_server blocks ask for and that will not be done, or not like that. In: the blocks and the way of balancing.
// Out: Problems that say what to do.

import type { Problem } from "../../resources/problem.ts";
import type { RealServer, VirtualServer, VirtualServers } from "../../vip/keepalived-conf/virtual-servers.ts";
import { familyOf } from "../services/canonical-address.ts";
import { type BalancingBackend, schedulerFor, whyNotForwarded } from "./balancing-backend.ts";
import { frontsOf } from "./fronts.ts";
import { regexOf } from "./regex-of.ts";
import { virtualServerId } from "./virtual-server-state.ts";

const useIpvs = "use --backend ipvs";

export function virtualServerProblems(
	{ servers, groups, trackFiles }: VirtualServers,
	backend: BalancingBackend,
	file: string,
): readonly Problem[] {
	const problems: Problem[] = [];
	for (const [index, server] of servers.entries()) {
		const resource = virtualServerId(server);
		const add = (severity: Problem["severity"], line: number, path: string, message: string, hint: string): void => {
			problems.push({ severity, origin: { file, line, column: 1 }, resource, path, message, hint, code: "KM-l4" });
		};
		if (servers.findIndex((other) => virtualServerId(other) === resource) < index)
			add("error", server.line, "", "there is such a block already: this one is passed over", "take one out");
		const fronts = frontsOf(server, groups);
		if (!fronts.ok) {
			add("error", server.line, "", `${fronts.because}: the block is passed over`, fronts.hint);
			continue;
		}
		const { because } = schedulerFor(server.scheduler, backend);
		if (because) add("warning", server.line, "lvs_sched", because, useIpvs);
		if (backend === "nftables") nftablesProblems(server, add);
		if (server.suspendsWithoutAddress && fronts.fronts.every(({ front }) => front.type === "mark"))
			add("warning", server.line, "ha_suspend", "a mark is no address: checks always run", "take ha_suspend out");
		const families = new Set(fronts.fronts.map(({ front }) => front.family));
		for (const real of server.realServers) {
			serverProblems(real, families, backend, add);
			checkProblems(real, trackFiles ?? new Map(), add);
		}
		const { sorryServer: sorry } = server;
		const why = sorry && whyNotForwarded(sorry.forwarding, backend);
		if (why)
			add("error", server.line, "sorry_server", `${why}: there is no sorry server`, `${useIpvs}, or lvs_method NAT`);
	}
	return problems;
}

type Add = (severity: Problem["severity"], line: number, path: string, message: string, hint: string) => void;

function nftablesProblems(server: VirtualServer, add: Add): void {
	const { schedulerFlags, onePacket, persistence, line } = server;
	if (schedulerFlags.length > 0)
		add("warning", line, "", `nftables has no ${schedulerFlags.join(", ")}: passed over`, `take it out, or ${useIpvs}`);
	if (onePacket)
		add(
			"warning",
			line,
			"ops",
			"nftables balances connections, not packets: passed over",
			`take it out, or ${useIpvs}`,
		);
	if (persistence?.engine !== undefined)
		add(
			"error",
			line,
			"persistence_engine",
			`nftables does not read ${persistence.engine}: persistence is by address`,
			useIpvs,
		);
	const wholeAddress = ["255.255.255.255", "128", undefined];
	if (persistence && !wholeAddress.includes(persistence.granularity))
		add("warning", line, "persistence_granularity", "nftables keeps each address by itself: passed over", useIpvs);
	if (server.realServers.some(({ upperThreshold, lowerThreshold }) => upperThreshold || lowerThreshold))
		add("warning", line, "uthreshold", "nftables does not count connections: thresholds are passed over", useIpvs);
}

function serverProblems(
	{ address, forwarding, line }: RealServer,
	families: ReadonlySet<string>,
	backend: BalancingBackend,
	add: Add,
): void {
	const why = whyNotForwarded(forwarding, backend);
	const where = `real_server ${address}`;
	if (why) add("error", line, where, `${why}: the server gets no connections`, `${useIpvs}, or write lvs_method NAT`);
	else if (forwarding.method !== "TUN" && !families.has(familyOf(address)))
		add(
			"error",
			line,
			where,
			"its family is not the virtual server's: it gets no connections",
			"write one of the same family",
		);
}

function checkProblems(real: RealServer, trackFiles: NonNullable<VirtualServers["trackFiles"]>, add: Add): void {
	for (const check of real.checks) {
		const where = `real_server ${real.address}`;
		if (check.type === "bfd")
			add("error", real.line, where, `BFD_CHECK ${check.name} is not done: the check is left out`, "write a TCP_CHECK");
		if (check.type === "file" && !trackFiles.has(check.trackFile))
			add(
				"error",
				real.line,
				where,
				`there is no track_file ${check.trackFile}: the check is left out`,
				`write track_file ${check.trackFile} { file /path }`,
			);
		if (check.type !== "http") continue;
		for (const { regex, path } of check.urls) {
			const made = regex && regexOf(regex);
			if (made && !made.ok)
				add("error", real.line, where, `regex of url ${path}: ${made.because}; the check is left out`, made.hint);
		}
	}
}
