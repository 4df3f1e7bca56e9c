// keepmesh vip status: who owns which address, since when and why, and what is wrong, on one screen.

import { Command, Option } from "commander";
import { defaultVipState } from "../vip/default-state.ts";
import { leaseLines } from "../vip/lease-status.ts";
import type { InstanceStatus, VipStatus } from "../vip/vip-status.ts";
import { type Colour, paint, print, printJson, renderAge, renderTable } from "./terminal.ts";
import { askVip } from "./vip-client.ts";

interface StatusFlags {
	readonly state: string;
	readonly output: "table" | "json";
}

export function vipStatusCommand(): Command {
	return new Command("status")
		.description("Shows the virtual IPs of this machine: state, priority, owner, since when and why.")
		.option("--state <dir>", "as given to vip run", defaultVipState)
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"))
		.action(async (flags: StatusFlags) => {
			const status = await askVip<VipStatus>(flags, "GET", "/status");
			if (flags.output === "json") printJson(status);
			else print(renderVipStatus(status, Date.now()));
		});
}

export function renderVipStatus(status: VipStatus, nowMs: number): string {
	const header = ["NAME", "STATE", "PRIORITY", "OWNER", "SINCE", "ADDRESSES", "WHY"];
	const rows = status.instances.map((instance) => [
		instance.name,
		instance.state,
		instance.priority === instance.basePriority
			? String(instance.priority)
			: `${instance.priority} (of ${instance.basePriority})`,
		instance.owner ?? "nobody heard",
		sinceOf(instance, nowMs),
		[...instance.addresses, ...instance.excludedAddresses].join(","),
		instance.because,
	]);
	const [titles = "", ...lines] = renderTable(header, rows).split("\n");
	const coloured = lines.map((line, index) => paint(colourOf(status.instances[index]?.state), line));
	return [titles, ...coloured, ...staleRemark(status, nowMs), ...remarksOf(status)].join("\n");
}

function staleRemark({ clusterStale }: VipStatus, nowMs: number): readonly string[] {
	if (!clusterStale) return [];
	const age = renderAge(nowMs - Date.parse(clusterStale.since));
	return [`the API server cannot be asked for ${age}, and what it said last is held: ${clusterStale.because}`];
}

function sinceOf({ transitions }: InstanceStatus, nowMs: number): string {
	const last = transitions.at(-1);
	return last ? renderAge(nowMs - Date.parse(last.at)) : "-";
}

function colourOf(state: string | undefined): Colour {
	return state === "MASTER" ? "green" : state === "FAULT" ? "red" : "grey";
}

/** What an operator should know of, a line each. */
function remarksOf(status: VipStatus): readonly string[] {
	const remarks: string[] = [];
	if (status.configProblem !== undefined)
		remarks.push(`the changed configuration is refused, the one before runs: ${status.configProblem}`);
	for (const reason of status.leftOut ?? []) remarks.push(`left out: ${reason}`);
	for (const { name, lease } of status.instances)
		if (lease) remarks.push(...leaseLines(lease).map((line) => `${name}: ${line}`));
	for (const { name, virtualRouterId, peers, dropped, counters } of status.instances) {
		for (const { address, otherAddresses } of peers)
			if (otherAddresses)
				remarks.push(
					`${name}: ${address} uses VRID ${virtualRouterId} with other addresses; give one of them another VRID`,
				);
		for (const { address, meaning, packets } of dropped)
			remarks.push(`${name}: ${packets} packets of ${address} were dropped: ${meaning}`);
		const conflicts = counters.address_conflict ?? 0;
		if (conflicts > 0)
			remarks.push(`${name}: another machine answered for an address, ${conflicts} times; see the log`);
	}
	for (const { name, status: health, because, kind } of status.trackers)
		if (health !== "up") remarks.push(`${kind} ${name} is ${health}: ${because}`);
	for (const { interface: on, otherRouters } of status.strangers)
		if (otherRouters.length > 0) {
			const routers = otherRouters.map(({ virtualRouterId, source }) => `${virtualRouterId} (${source})`);
			remarks.push(`${on}: VRIDs of others: ${routers.join(", ")}`);
		}
	for (const { link, fault } of status.heartbeats) if (fault) remarks.push(`no fast heartbeat on ${link}: ${fault}`);
	return remarks.length > 0 ? ["", ...remarks] : [];
}
