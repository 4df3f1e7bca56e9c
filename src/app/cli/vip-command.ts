// keepmesh vip: virtual IPs of this machine.

import { Command } from "commander";
import { vipCheckCommand } from "./vip-check-command.ts";
import { vipImportCommand } from "./vip-import-command.ts";
import { vipExplainCommand, vipMoveCommand, vipReloadCommand } from "./vip-order-commands.ts";
import { vipCleanUpCommand, vipRunCommand } from "./vip-run-command.ts";
import { vipStatusCommand } from "./vip-status-command.ts";

export function vipCommand(): Command {
	return new Command("vip")
		.description("Virtual IPs: addresses that one machine at a time holds, over VRRP.")
		.addCommand(vipRunCommand())
		.addCommand(vipStatusCommand())
		.addCommand(vipExplainCommand())
		.addCommand(vipMoveCommand())
		.addCommand(vipReloadCommand())
		.addCommand(vipCheckCommand())
		.addCommand(vipImportCommand())
		.addCommand(vipCleanUpCommand());
}
