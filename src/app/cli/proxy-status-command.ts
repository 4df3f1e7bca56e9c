// keepmesh proxy-status: which proxy has which configuration, in istioctl's columns, and the last thing that it refused.

import { Command, Option } from "commander";
import type { ProxyItem, ProxyTypeItem } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askAll } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { mergeProxies } from "./merge-replicas.ts";
import { paint, print, printJson, renderAge, renderTable, say } from "./terminal.ts";

interface ProxyStatusOptions extends ApiOption {
	readonly output: "table" | "json";
	readonly confirm?: boolean;
}

const types = ["CDS", "LDS", "EDS", "RDS", "SDS"] as const;

export function proxyStatusCommand(): Command {
	return withApiOption(new Command("proxy-status"))
		.alias("ps")
		.description("Shows for each proxy whether it has the newest configuration, and what it refused.")
		.argument("[proxy]", "name or id of one proxy: reviews-v1-abc.default")
		.option("--confirm", "send pushes that are held because they would remove most of what a proxy has")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"))
		.action(showProxies);
}

async function showProxies(name: string | undefined, options: ProxyStatusOptions): Promise<void> {
	if (options.confirm) {
		const query = name === undefined ? "" : `?proxy=${encodeURIComponent(name)}`;
		// A replica that the proxy is not connected to says 404.
		const answers = await askAll<{ confirmed?: number }>(options, `/api/v1/held/confirm${query}`, {
			method: "POST",
			expect: [404],
		});
		const confirmed = answers.reduce((sum, { answer }) => sum + (answer.confirmed ?? 0), 0);
		say(`${confirmed} held ${confirmed === 1 ? "push" : "pushes"} confirmed`);
	}
	const answers = await askAll<{ items: readonly ProxyItem[] }>(options, "/api/v1/proxies");
	const items = mergeProxies(answers.map(({ answer }) => answer.items));
	const shown = name === undefined ? items : items.filter((proxy) => isProxy(proxy, name));
	if (name !== undefined && shown.length === 0) {
		throw new CliError(exitCodes.failure, `no proxy "${name}" is connected`, "keepmesh proxy-status");
	}
	if (options.output === "json") {
		printJson({ items: shown });
		return;
	}
	if (shown.length === 0) {
		say("no proxy is connected");
		return;
	}
	const columns: readonly (readonly [string, (proxy: ProxyItem) => string])[] = [
		["NAME", (proxy) => proxy.name],
		["CLUSTER", (proxy) => proxy.cluster],
		...types.map((type) => [type, (proxy: ProxyItem) => typeText(proxy.types[type])] as const),
		["CONTROL", (proxy) => proxy.control],
		["VERSION", (proxy) => proxy.version],
		["AGE", (proxy) => renderAge(Date.now() - proxy.connectedMs)],
		["LAST REJECT", rejectText],
	];
	// A terminal is narrow: what says the same of every proxy is left out there.
	const spoken = columns.filter(
		([title, cell]) =>
			process.stdout.isTTY !== true ||
			!["CLUSTER", "VERSION", "LAST REJECT"].includes(title) ||
			new Set(shown.map(cell)).size > 1 ||
			(title === "LAST REJECT" && shown.some((proxy) => cell(proxy) !== "")),
	);
	print(
		renderTable(
			spoken.map(([title]) => title),
			shown.map((proxy) => spoken.map(([, cell]) => cell(proxy))),
		),
	);
	for (const proxy of shown) {
		if (proxy.withheld) say(`${proxy.name}: ${paint("yellow", proxy.withheld.because)}: ${proxy.withheld.message}`);
		if (proxy.closed) say(`${proxy.name}: ${paint("yellow", "closed")}: ${proxy.closed}`);
	}
}

/** By id, by name with its namespace, or by name alone. */
export function isProxy(proxy: ProxyItem, name: string): boolean {
	return proxy.id === name || proxy.name === name || proxy.name.split(".")[0] === name;
}

function typeText(item: ProxyTypeItem | undefined): string {
	return item ? item.sync : "IGNORED";
}

function rejectText(proxy: ProxyItem): string {
	for (const [type, item] of Object.entries(proxy.types)) {
		if (!item.rejection) continue;
		const text = `${type}: ${item.rejection.message.replaceAll(/\s+/g, " ")}`;
		return text.length > 100 ? `${text.slice(0, 97)}...` : text;
	}
	return "";
}
