// What nodes of one virtual router must agree on, and where they do not: two owners, or adverts that are dropped.

import type { InstanceConfig } from "../../vip-config.ts";
import type { Report } from "../conf-report.ts";
import { type Member, trap, type VirtualRouter } from "./node-file.ts";

export function warnOfDisagreement({ vrid, members }: VirtualRouter, report: Report): void {
	const [first, ...rest] = members;
	if (!first) return;
	for (const other of rest) {
		if (warnOfClash(vrid, first, other, report)) return;
		for (const rule of rules) compare(first, other, rule, report);
	}
	warnOfEqualPriorities(members, report);
	warnOfPeers(vrid, members, report);
	const masters = members.filter(({ instance }) => instance.initialState === "MASTER");
	const last = masters.at(-1);
	if (masters.length > 1 && last)
		trap(
			report,
			last,
			"state",
			`state MASTER stands on ${masters.length} nodes; the priority decides, not the state${masters.every(({ instance }) => instance.priority === 255) ? ", and both claim at once" : ""}`,
			"write state BACKUP on every node: the highest priority becomes the owner all the same",
		);
}

interface Rule {
	readonly directive: string;
	readonly what: string;
	readonly effect: string;
	of(instance: InstanceConfig): string;
}

const rules: readonly Rule[] = [
	{
		directive: "version",
		what: "version",
		effect: "each drops the other's adverts: both own the addresses",
		of: ({ version }) => String(version),
	},
	{
		directive: "authentication",
		what: "authentication",
		effect: "each drops the other's adverts: both own the addresses",
		of: ({ authentication }) =>
			authentication.type === "none" ? "none" : `${authentication.type} ${authentication.key}`,
	},
	{
		directive: "advert_int",
		what: "advert_int",
		effect: "version 2 drops adverts with another interval: both own the addresses",
		of: ({ version, advertIntervalMs }) => (version === 2 ? `${advertIntervalMs} ms` : ""),
	},
	{
		directive: "virtual_ipaddress",
		what: "list of addresses",
		effect: "keepalived 2.2 drops adverts with other addresses: both own them (later ones and Keepmesh count it only)",
		of: ({ addresses }) =>
			addresses
				.map(({ address }) => address)
				.sort()
				.join(" "),
	},
	{
		directive: "down_timer_adverts",
		what: "down_timer_adverts",
		effect: "nodes differ on when an owner is gone",
		of: ({ downAfterAdverts }) => String(downAfterAdverts),
	},
	{
		directive: "unicast_peer",
		what: "transport",
		effect: "they do not hear each other: both own the addresses",
		of: ({ transport }) => (transport.type === "multicast" ? `multicast to ${transport.group}` : "unicast"),
	},
];

function compare(first: Member, other: Member, rule: Rule, report: Report): void {
	const [mine, theirs] = [rule.of(other.instance), rule.of(first.instance)];
	if (mine === theirs) return;
	const shown = rule.directive === "authentication" ? "" : `: ${mine} here, ${theirs} there`;
	trap(
		report,
		other,
		rule.directive,
		`another ${rule.what} than in ${first.file.path}${shown}: ${rule.effect}`,
		`write the same ${rule.what} on every node`,
	);
}

function warnOfEqualPriorities(members: readonly Member[], report: Report): void {
	const seen = new Map<number, Member>();
	for (const member of members) {
		const other = seen.get(member.instance.priority);
		if (other)
			trap(
				report,
				member,
				"priority",
				`priority ${member.instance.priority} stands in ${other.file.path} as well: the higher source address wins, and both may claim at the same moment`,
				"give each node a priority of its own; nopreempt keeps the addresses where they are",
			);
		seen.set(member.instance.priority, member);
	}
}

/** Unicast works both ways only when each names the other. */
function warnOfPeers(vrid: number, members: readonly Member[], report: Report): void {
	for (const member of members) {
		const { transport } = member.instance;
		if (transport.type !== "unicast" || transport.source === undefined) continue;
		for (const other of members) {
			if (other === member || other.instance.transport.type !== "unicast") continue;
			if (other.instance.transport.peers.some(({ address }) => address === transport.source)) continue;
			trap(
				report,
				other,
				"unicast_peer",
				`the peers of VRID ${vrid} do not name ${transport.source} (${member.file.path}): that node hears nothing from here, and owns the addresses as well`,
				`add ${transport.source} to unicast_peer`,
			);
		}
	}
}

/** The same VRID for other addresses: two virtual routers that take each other for the same one. */
function warnOfClash(vrid: number, first: Member, other: Member, report: Report): boolean {
	const addresses = new Set(first.instance.addresses.map(({ address }) => address));
	if (addresses.size === 0 || other.instance.addresses.some(({ address }) => addresses.has(address))) return false;
	trap(
		report,
		other,
		"virtual_router_id",
		`VRID ${vrid} stands in ${first.file.path} for other addresses (${first.instance.name}): on one network they take each other for the same virtual router`,
		"give each virtual router a virtual_router_id of its own",
	);
	return true;
}
