// keepmesh alerts: alerting rules for Prometheus, to stdout.

import { Command } from "commander";
import { alertGroups, renderAlertRules } from "../../telemetry/alert-rules.ts";
import { print } from "./terminal.ts";

export function alertsCommand(): Command {
	return new Command("alerts")
		.description("Prints alerting rules for Prometheus: keepmesh alerts > keepmesh-rules.yaml")
		.action(() => print(renderAlertRules(alertGroups).trimEnd()));
}
