// keepmesh events: which pods' connections went another way, when, why, and who asked for it.

import { Command, InvalidArgumentError, Option } from "commander";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import { durationMs } from "./certificate-flags.ts";
import { askAll } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { print, printJson, renderAge, renderTable, say } from "./terminal.ts";

interface EventsOptions extends ApiOption {
	readonly namespace?: string;
	readonly since?: number;
	readonly limit: number;
	readonly output: "table" | "json";
}

export function eventsCommand(): Command {
	return withApiOption(new Command("events"))
		.description(
			"Lists the switches of pods: sidecar, spare, direct, closed; when, why and by whom. The newest comes last.",
		)
		.argument("[pod]", "only of this pod")
		.option("-n, --namespace <name>", "only of this namespace (default: all)")
		.option("-A, --all-namespaces", "of all namespaces, as without --namespace")
		.addOption(new Option("--since <duration>", "only of the last 10m, 24h, ...").argParser(durationMs))
		.addOption(new Option("--limit <count>", "the newest so many").argParser(positive).default(50))
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"))
		.action(showEvents);
}

async function showEvents(pod: string | undefined, options: EventsOptions): Promise<void> {
	const { limit, namespace, output, since } = options;
	const query = new URLSearchParams({ ...(namespace && { namespace }), ...(pod && { pod }) });
	const answers = await askAll<{ items: readonly SwitchRecord[] }>(options, `/api/v1/events?${query}`);
	const nowMs = Date.now();
	const sinceMs = since === undefined ? 0 : nowMs - since;
	const items = mergeEvents(answers.map(({ answer }) => answer.items)).filter(({ atMs }) => atMs >= sinceMs);
	const shown = items.slice(-limit);
	if (output === "json") {
		printJson({ items: shown });
		return;
	}
	if (shown.length === 0) {
		say("no switches are known: nodes tell of them when keepmesh node runs with the hot-switch");
		return;
	}
	print(
		renderTable(
			["AGE", "NAMESPACE", "POD", "FROM", "TO", "BY", "NODE", "BECAUSE"],
			shown.map(({ atMs, because, by, from, namespace: of, node, pod: name, to }) => [
				renderAge(nowMs - atMs),
				of,
				name,
				from,
				to,
				by,
				node,
				because,
			]),
		),
	);
	if (items.length > shown.length)
		say(`${items.length - shown.length} older ones: keepmesh events --limit ${items.length}`);
}

/** Each once, by time. */
export function mergeEvents(lists: readonly (readonly SwitchRecord[])[]): readonly SwitchRecord[] {
	return [...new Map(lists.flat().map((event) => [event.id, event])).values()].sort((a, b) => a.atMs - b.atMs);
}

function positive(text: string): number {
	const count = Number(text);
	if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("give a whole number from 1 on");
	return count;
}
