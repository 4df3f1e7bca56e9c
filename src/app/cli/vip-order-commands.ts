// keepmesh vip explain, move, reload: questions and orders to the vip process of this machine.

import { Command, Option } from "commander";
import type { InstanceExplanation } from "../../vip/tracking/explain.ts";
import { defaultVipState } from "../vip/default-state.ts";
import { print, printJson, say } from "./terminal.ts";
import { askVip, type VipPlace } from "./vip-client.ts";

export function vipExplainCommand(): Command {
	return new Command("explain")
		.description("Says who owns an address and why, and what would move it.")
		.argument("[name]", "of the virtual IP (default: all)")
		.option("--state <dir>", "as given to vip run", defaultVipState)
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.action(async (name: string | undefined, flags: VipPlace & { readonly output: string }) => {
			const query = name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
			const all = await askVip<readonly InstanceExplanation[]>(flags, "GET", `/explain${query}`);
			if (all.length === 0) say("no virtual IP runs here; next: keepmesh vip status");
			if (flags.output === "json") printJson(all);
			else print(all.flatMap(({ lines }) => lines).join("\n"));
		});
}

export function vipMoveCommand(): Command {
	return new Command("move")
		.description("Hands an address over to another node, without a gap. Asked of its owner.")
		.argument("<name>", "of the virtual IP; the others of its sync group go with it")
		.option("--to <node>", "name or address of the node that is to own it (default: the best of the others)")
		.option("--state <dir>", "as given to vip run", defaultVipState)
		.action(async (name: string, flags: VipPlace & { readonly to?: string }) => {
			const to = flags.to === undefined ? "" : `&to=${encodeURIComponent(flags.to)}`;
			const { message } = await askVip<{ message: string }>(
				flags,
				"POST",
				`/move?name=${encodeURIComponent(name)}${to}`,
			);
			say(message);
		});
}

export function vipReloadCommand(): Command {
	return new Command("reload")
		.description("Reads the configuration again; what it leaves as it is goes on, and so does what it changes.")
		.option("--state <dir>", "as given to vip run", defaultVipState)
		.action(async (flags: VipPlace) => {
			const { message } = await askVip<{ message: string }>(flags, "POST", "/reload");
			say(`read again: ${message}`);
		});
}
