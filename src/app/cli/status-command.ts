// keepmesh status: the mesh on one screen.

import { Command, Option } from "commander";
import type { Problem } from "../../resources/problem.ts";
import { renderProblems } from "../../resources/render-problems.ts";
import type { MeshStatus, ProxyItem } from "../api/api-types.ts";
import { type ApiOption, callApi, findControlPlane, withApiOption } from "./control-plane-client.ts";
import { counted } from "./count-problems.ts";
import { isColourful, paint, print, printJson, renderAge } from "./terminal.ts";

interface StatusOptions extends ApiOption {
	readonly output: "text" | "json";
}

export function statusCommand(): Command {
	return withApiOption(new Command("status"))
		.description("Shows the mesh on one screen: control plane, proxies in sync, problems.")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.action(showStatus);
}

async function showStatus(options: StatusOptions): Promise<void> {
	const [status, { items: proxies }, { items: problems }] = await Promise.all([
		callApi<MeshStatus>(options, "/api/v1/status"),
		callApi<{ items: readonly ProxyItem[] }>(options, "/api/v1/proxies"),
		callApi<{ items: readonly Problem[] }>(options, "/api/v1/problems"),
	]);
	if (options.output === "json") {
		printJson({ ...status, problems, withheld: proxies.filter((proxy) => proxy.withheld) });
		return;
	}
	const { url, because } = findControlPlane(options);
	const up = renderAge(status.nowMs - status.startedMs);
	const mark = (good: boolean): string => (good ? paint("green", "√") : paint("red", "×"));
	print(`${mark(status.ready)} control plane ${status.id} (${status.version}), up ${up}, at ${url} (${because})`);
	const kinds = Object.entries(status.resources).map(([kind, count]) => `${count} ${kind}`);
	print(
		`${mark(status.errors === 0)} resources: ${kinds.join(", ") || "none"}; ${counted(status.errors, "error")}, ${counted(status.warnings, "warning")}`,
	);
	const { connected, synced, stale, rejecting, withheld } = status.proxies;
	const allSynced = connected === synced && withheld === 0;
	print(
		`${mark(allSynced)} proxies: ${synced} of ${connected} in sync` +
			`${stale ? `, ${stale} stale` : ""}${rejecting ? `, ${rejecting} rejecting` : ""}${withheld ? `, ${withheld} withheld` : ""}`,
	);
	for (const proxy of proxies) {
		if (proxy.withheld) print(`  ${proxy.name}: ${proxy.withheld.because}: ${proxy.withheld.message}`);
		for (const [type, item] of Object.entries(proxy.types)) {
			if (item.rejection) print(`  ${proxy.name}: ${type} rejected: ${paint("red", item.rejection.message)}`);
		}
	}
	if (proxies.some((proxy) => proxy.withheld?.because === "held")) print("  next: keepmesh proxy-status --confirm");
	if (problems.length > 0) print(renderProblems(problems.slice(0, 20), { colour: isColourful(process.stdout) }));
	if (problems.length > 20) print(`... and ${problems.length - 20} more: keepmesh status -o json`);
}
