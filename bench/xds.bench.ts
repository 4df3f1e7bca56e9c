// npm run bench -- xds [--json FILE] [--mesh control|synthetic] [--changes N] [--scenario SERVICESxPROXIES]
// How fast, at what cost: a mesh of many services, sidecars without scoping as plain delta-ADS clients. The control plane and
// the clients are processes of their own; all figures of the control plane are of its process alone.

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { moveEndpoint, writeMeshFiles } from "./xds/mesh-files.ts";
import {
	type ClientsCommand,
	type ClientsReply,
	type ControlCommand,
	type ControlReply,
	machineMs,
	type Usage,
} from "./xds/messages.ts";

const { values } = parseArgs({
	options: {
		json: { type: "string" },
		mesh: { type: "string", default: "control" },
		changes: { type: "string", default: "40" },
		scenario: { type: "string", multiple: true },
	},
});

interface Scenario {
	readonly services: number;
	readonly proxies: number;
}

interface Result extends Scenario {
	/** Reading and computing what can be before a proxy connects. */
	readonly load: { readonly seconds: number; readonly cpuSeconds: number };
	/** From the first connect to the last client with everything. */
	readonly completeSeconds: number;
	readonly completeCpuSeconds: number;
	readonly peakRssMb: number;
	readonly sentMb: number;
	readonly resourcesPerProxy: number;
	/** The file of one service's endpoints is about to be replaced -> the last of the proxies has the change. */
	readonly changeMs: { readonly min: number; readonly median: number; readonly p95: number; readonly max: number };
	readonly reconnect: { readonly bytes: number; readonly ratio: number; readonly requestBytes: number };
	readonly peakRssAfterMb: number;
}

const scenarios: readonly Scenario[] = values.scenario?.map((text) => {
	const [services, proxies] = text.split("x").map(Number);
	return { services: services ?? 1_000, proxies: proxies ?? 100 };
}) ?? [
	{ services: 1_000, proxies: 100 },
	{ services: 1_000, proxies: 200 },
	{ services: 1_000, proxies: 400 },
	{ services: 2_000, proxies: 100 },
];

class Child<Command extends ControlCommand | ClientsCommand, Reply extends { readonly type: string }> {
	readonly #process: ChildProcess;
	readonly #waiting = new Map<string, (reply: Reply) => void>();

	constructor(file: string, args: readonly string[]) {
		this.#process = fork(new URL(file, import.meta.url), args, {
			execArgv: ["--no-warnings", "--max-semi-space-size=8"],
		});
		this.#process.on("message", (reply: Reply) => {
			this.#waiting.get(reply.type)?.(reply);
			this.#waiting.delete(reply.type);
		});
		this.#process.on("exit", (code) => {
			if (code !== 0) throw new Error(`${file} exited with ${code}`);
		});
	}

	tell(command: Command): void {
		this.#process.send(command);
	}

	reply<Type extends Reply["type"]>(type: Type): Promise<Extract<Reply, { readonly type: Type }>> {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => reject(new Error(`no "${type}" within 60 s`)), 60_000);
			this.#waiting.set(type, (reply) => {
				clearTimeout(timer);
				resolve(reply as Extract<Reply, { readonly type: Type }>);
			});
		});
	}
}

async function measure({ services, proxies }: Scenario): Promise<Result> {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-bench-xds-"));
	try {
		return await measureIn(directory, services, proxies);
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

async function measureIn(directory: string, services: number, proxies: number): Promise<Result> {
	const isSynthetic = values.mesh === "synthetic";
	if (!isSynthetic) writeMeshFiles(directory, services);
	const args = isSynthetic ? ["synthetic", String(services)] : ["control", directory];
	const control = new Child<ControlCommand, ControlReply>("./xds/control-process.ts", args);
	const clients = new Child<ClientsCommand, ClientsReply>("./xds/clients-process.ts", []);
	const listening = await control.reply("listening");
	await new Promise((resolve) => setTimeout(resolve, 500));
	const usage = async (): Promise<Usage> => {
		const reply = control.reply("usage");
		control.tell({ type: "usage" });
		return (await reply).usage;
	};
	const before = await usage();

	const connecting = clients.reply("connecting");
	const completed = clients.reply("complete");
	clients.tell({ type: "connect", port: listening.port, clients: proxies });
	const startedAtMs = (await connecting).atMs;
	const complete = await completed;
	const after = await usage();
	await new Promise((resolve) => setTimeout(resolve, 1_000));

	const changes: number[] = [];
	for (let round = 0; round < Number(values.changes); round++) {
		const awaiting = clients.reply("awaiting");
		const changed = clients.reply("changed");
		clients.tell({ type: "awaitChange" });
		await awaiting;
		const atMs = machineMs();
		if (isSynthetic) control.tell({ type: "changeEndpoint", round });
		else moveEndpoint(directory, (round * 7) % services, round + 1);
		changes.push((await changed).atMs - atMs);
		await new Promise((resolve) => setTimeout(resolve, 60));
	}
	changes.sort((a, b) => a - b);
	const quantile = (of: number): number => changes[Math.min(changes.length - 1, Math.floor(of * changes.length))] ?? 0;

	const reconnected = clients.reply("reconnected");
	clients.tell({ type: "reconnect" });
	const again = await reconnected;
	const end = await usage();
	clients.tell({ type: "stop" });
	control.tell({ type: "stop" });
	return {
		services,
		proxies,
		load: { seconds: listening.loadSeconds, cpuSeconds: listening.usage.cpuSeconds },
		completeSeconds: (complete.atMs - startedAtMs) / 1000,
		completeCpuSeconds: after.cpuSeconds - before.cpuSeconds,
		peakRssMb: after.peakRssMb,
		sentMb: complete.bytes / 1e6,
		resourcesPerProxy: complete.resources,
		changeMs: { min: quantile(0), median: quantile(0.5), p95: quantile(0.95), max: quantile(1) },
		reconnect: { bytes: again.bytes, ratio: again.bytes / complete.bytes, requestBytes: again.sentBytes },
		peakRssAfterMb: end.peakRssMb,
	};
}

const columns: readonly (readonly [string, (result: Result) => string])[] = [
	["services", ({ services }) => String(services)],
	["proxies", ({ proxies }) => String(proxies)],
	["load s / CPU-s", ({ load }) => `${load.seconds.toFixed(2)} / ${load.cpuSeconds.toFixed(2)}`],
	["complete s", ({ completeSeconds }) => completeSeconds.toFixed(2)],
	["CPU-s", ({ completeCpuSeconds }) => completeCpuSeconds.toFixed(2)],
	["peak MB", ({ peakRssMb, peakRssAfterMb }) => `${peakRssMb.toFixed(0)} (end ${peakRssAfterMb.toFixed(0)})`],
	["sent MB", ({ sentMb }) => sentMb.toFixed(1)],
	["resources/proxy", ({ resourcesPerProxy }) => String(resourcesPerProxy)],
	[
		"endpoint change ms min/median/p95/max",
		({ changeMs }) =>
			[changeMs.min, changeMs.median, changeMs.p95, changeMs.max].map((each) => each.toFixed(1)).join("/"),
	],
	[
		"reconnect",
		({ reconnect }) =>
			`${(reconnect.ratio * 100).toFixed(3)} % (asked with ${(reconnect.requestBytes / 1e6).toFixed(1)} MB)`,
	],
];

const results: Result[] = [];
for (const scenario of scenarios) {
	const result = await measure(scenario);
	results.push(result);
	console.log(columns.map(([title, text]) => `${title}: ${text(result)}`).join("  |  "));
}
console.log("");
const rows = [columns.map(([title]) => title), ...results.map((result) => columns.map(([, text]) => text(result)))];
const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
for (const row of rows) console.log(row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  "));
const machine = {
	cpu: cpus()[0]?.model ?? "",
	cores: cpus().length,
	memoryMb: Math.round(totalmem() / 2 ** 20),
	kernel: release(),
	node: process.version,
};
console.log(`\nmesh: ${values.mesh}; machine: ${JSON.stringify(machine)}`);
if (values.json)
	writeFileSync(values.json, `${JSON.stringify({ bench: "xds", mesh: values.mesh, machine, results }, null, "\t")}\n`);
