// keepmesh l4: Services in the kernel, by nftables or IPVS.

import { Command } from "commander";
import { l4BackendsCommand, l4ServicesCommand } from "./l4-list-commands.ts";
import { l4PlanCommand, l4RulesCommand } from "./l4-plan-command.ts";
import { l4RunCommand } from "./l4-run-command.ts";
import { l4TraceCommand } from "./l4-trace-command.ts";

export function l4Command(): Command {
	return new Command("l4")
		.description("Layer 4: connections to Services, balanced by the kernel.")
		.addCommand(l4RunCommand())
		.addCommand(l4PlanCommand())
		.addCommand(l4ServicesCommand())
		.addCommand(l4BackendsCommand())
		.addCommand(l4RulesCommand())
		.addCommand(l4TraceCommand());
}
