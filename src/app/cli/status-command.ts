// keepmesh status: the mesh on one screen.

import { Command, Option } from "commander";
import type { Problem } from "../../resources/problem.ts";
import { renderProblems } from "../../resources/render-problems.ts";
import type { MeshStatus, ProxyItem } from "../api/api-types.ts";
import { askAll } from "./control-plane-client.ts";
import { counted } from "./count-problems.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { fetchLostNodes, lostNodesLines } from "./lost-nodes-text.ts";
import { mergeProxies, mergeProxyCounts, unique } from "./merge-replicas.ts";
import { countServing, fetchServing, longServing, nameOf } from "./serving-text.ts";
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
	const [statuses, proxyLists, problemLists, serving, lostNodes] = await Promise.all([
		askAll<MeshStatus>(options, "/api/v1/status"),
		askAll<{ items: readonly ProxyItem[] }>(options, "/api/v1/proxies"),
		askAll<{ items: readonly Problem[] }>(options, "/api/v1/problems"),
		fetchServing(options),
		fetchLostNodes(options),
	]);
	const controls = statuses.map(({ answer }) => answer);
	const proxies = mergeProxies(proxyLists.map(({ answer }) => answer.items));
	const problems = unique(problemLists.flatMap(({ answer }) => answer.items));
	const counts = mergeProxyCounts(controls);
	const [first] = controls;
	const errors = problems.filter((problem) => problem.severity === "error").length;
	const warnings = problems.filter((problem) => problem.severity === "warning").length;
	const resources = first?.resources ?? {};
	if (options.output === "json") {
		const held = proxies.filter((proxy) => proxy.withheld);
		printJson({ controls, resources, errors, warnings, proxies: counts, problems, withheld: held, serving, lostNodes });
		return;
	}
	const mark = (good: boolean): string => (good ? paint("green", "√") : paint("red", "×"));
	for (const { replica, answer } of statuses) {
		const up = renderAge(answer.nowMs - answer.startedMs);
		const where = replica.name === answer.id ? "" : `, at ${replica.name}`;
		const { connected } = answer.proxies;
		const load = controls.length > 1 ? `, ${connected} ${connected === 1 ? "proxy" : "proxies"}` : "";
		print(
			`${mark(answer.ready)} control plane ${answer.id} (${answer.version})${answer.ready ? "" : " is not ready"}, up ${up}${load}${where}`,
		);
	}
	for (const { source } of controls) if (source && !source.isFresh) print(`${mark(false)} ${staleText(source)}`);
	const kinds = Object.entries(resources).map(([kind, count]) => `${count} ${kind}`);
	print(
		`${mark(errors === 0)} resources: ${kinds.join(", ") || "none"}; ${counted(errors, "error")}, ${counted(warnings, "warning")}`,
	);
	const { connected, synced, stale, rejecting, withheld } = counts;
	const allSynced = connected === synced && withheld === 0;
	print(
		`${mark(allSynced)} proxies: ${synced} of ${connected} in sync` +
			`${stale ? `, ${stale} stale` : ""}${rejecting ? `, ${rejecting} rejecting` : ""}${withheld ? `, ${withheld} withheld` : ""}`,
	);
	for (const { isGood, text } of lostNodesLines(lostNodes, Date.now())) print(`${mark(isGood)} ${text}`);
	const served = countServing(serving);
	const fallen = serving.filter((item) => item.serving && item.serving.step !== "sidecar");
	if (served !== undefined) print(`${mark(fallen.length === 0)} pods are served: ${served}`);
	for (const item of fallen.slice(0, 20)) print(`  ${nameOf(item)}: ${longServing(item, Date.now())}`);
	if (fallen.length > 0) print("  next: keepmesh events");
	for (const proxy of proxies) {
		if (proxy.withheld) print(`  ${proxy.name}: ${proxy.withheld.because}: ${proxy.withheld.message}`);
		if (proxy.closed) print(`  ${proxy.name}: closed: ${proxy.closed}`);
		for (const [type, item] of Object.entries(proxy.types)) {
			if (item.rejection) print(`  ${proxy.name}: ${type} rejected: ${paint("red", item.rejection.message)}`);
		}
	}
	const removals = Math.max(0, ...controls.map((control) => control.heldRemovals));
	if (removals > 0) print(`${mark(false)} ${removals} endpoints are gone at the source at once; they stay for 30 s`);
	if (removals > 0 || proxies.some((proxy) => proxy.withheld?.because === "held"))
		print("  next: keepmesh proxy-status --confirm");
	if (problems.length > 0) print(renderProblems(problems.slice(0, 20), { colour: isColourful(process.stdout) }));
	if (problems.length > 20) print(`... and ${problems.length - 20} more: keepmesh status -o json`);
}

/** What is known stays in force, and may be old. */
function staleText({ ageMs, because, isRestored, server }: NonNullable<MeshStatus["source"]>): string {
	const from = isRestored ? ", as the control plane before this one left them on its disk" : "";
	return `resources are as ${server} had them ${renderAge(ageMs)} ago${from}: ${because ?? "it does not answer"}`;
}
