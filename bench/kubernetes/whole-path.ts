// Requests from outside through a virtual IP, layer 4, a gateway and the mesh, while everything on their way is updated, a node is
// drained or loses its power: npm run bench -- kubernetes --only whole-path [--fault rolling-update|node-drain|power-off|api-server-down] [--runs N]
// [--part PART], of a rolling update, and [--installed], where Keepmesh is in the cluster already.
// Prints for each part what was lost, when and why.

import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../src/kernel/linux/monotonic-us.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { type BenchRow, machineFacts, spreadOf } from "../support/bench-report.ts";
import { openPathCluster, type PathCluster } from "./path-cluster.ts";
import { type PathFault, pathFaults, restoreNodes } from "./path-faults.ts";
import { startPathLoad } from "./path-load.ts";
import { gatewayName, gatewayNamespace, pathNamespace, pathNamespaceObject, pathObjects } from "./path-objects.ts";
import { type Phase, type PhaseReport, reportPhases } from "./path-phases.ts";

const patienceMs = 180_000;
/** Requests flow for so long before anything is done. */
const quietMs = 5_000;
const shownLosses = 40;

const say = (text: string): void => console.error(text);

export async function benchWholePath(args: readonly string[] = process.argv.slice(2)): Promise<readonly BenchRow[]> {
	const faults = chosenFaults(flagOf(args, "--fault"));
	const runs = Number(flagOf(args, "--runs") ?? "1");
	if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs takes a whole number");
	const stopped = Promise.withResolvers<never>();
	stopped.promise.catch(() => {});
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
		process.once(signal, () => stopped.reject(new Error("stopped")));
	const cluster = await openPathCluster(say, args.includes("--installed"));
	try {
		const address = await Promise.race([prepare(cluster), stopped.promise]);
		const rows: BenchRow[] = [];
		for (const [name, fault] of faults) {
			const reports: (readonly PhaseReport[])[] = [];
			const options = { address, part: flagOf(args, "--part"), stopped: stopped.promise };
			for (let run = 1; run <= runs; run++) reports.push(await runOnce(`${name} ${run}`, fault, cluster, options));
			rows.push(...rowsOf(name, reports));
		}
		return rows;
	} catch (error) {
		await restoreNodes(cluster).catch((failed: unknown) => say(String(failed)));
		throw error;
	} finally {
		await removeObjects(cluster).catch((error: unknown) => say(String(error)));
		await cluster.close();
	}
}

function chosenFaults(name: string | undefined): readonly (readonly [string, PathFault])[] {
	const all = Object.entries(pathFaults);
	const chosen = name === undefined ? all : all.filter(([known]) => known === name);
	if (chosen.length === 0) throw new Error(`--fault is one of ${Object.keys(pathFaults).join(", ")}`);
	return chosen;
}

const flagOf = (args: readonly string[], flag: string): string | undefined =>
	args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;

/** Resolves to the address that the gateways have, once it answers. */
async function prepare(cluster: PathCluster): Promise<string> {
	// What an earlier run left goes first: its servers would go during this one.
	await removeObjects(cluster);
	await cluster.apply(pathNamespaceObject());
	await cluster.apply(...pathObjects());
	const wait = ["rollout", "status", "deployment/server", "--namespace", pathNamespace, "--timeout=900s"];
	await cluster.kubectl(...wait);
	const service = ["get", "service", gatewayName, "--namespace", gatewayNamespace, "--output"];
	let address = "";
	await until("an address for the gateway", async () => {
		address = await cluster.kubectl(...service, "jsonpath={.status.loadBalancer.ingress[0].ip}");
		return address !== "";
	});
	await until(`an answer at ${address}`, () => answers(cluster, address));
	say(`${address} answers`);
	return address;
}

async function removeObjects(cluster: PathCluster): Promise<void> {
	await cluster.kubectl("delete", "namespace", pathNamespace, "--ignore-not-found", "--timeout=300s");
}

interface RunOptions {
	readonly address: string;
	readonly part: string | undefined;
	/** Rejects when the benchmark is stopped. */
	readonly stopped: Promise<never>;
}

async function runOnce(
	title: string,
	fault: PathFault,
	cluster: PathCluster,
	{ address, part, stopped }: RunOptions,
): Promise<readonly PhaseReport[]> {
	await until(`an answer at ${address}`, () => answers(cluster, address));
	const phases: Phase[] = [];
	const mark = (name: string): void => void phases.push({ name, atUs: monotonicUs() });
	const load = await startPathLoad(cluster.outside, address);
	const end = async (): Promise<readonly PhaseReport[]> => {
		const reports = reportPhases(phases, await load.stop());
		say(`${title} (load ${machineFacts().load1m})`);
		for (const report of reports) say(textOf(report));
		return reports;
	};
	try {
		mark("before");
		await sleep(quietMs);
		const undo = await Promise.race([fault({ cluster, address, part, mark, say }), stopped]);
		const reports = await end();
		await Promise.race([undo(), stopped]);
		return reports;
	} catch (error) {
		// What was seen until then.
		if (load.isRunning()) await end();
		throw error;
	}
}

function textOf({ failingMs, gapMs, losses, lost, phase, sent, side }: PhaseReport): string {
	const head = `  ${phase}, ${side}: ${lost} lost of ${sent}, longest gap ${Math.round(gapMs)} ms`;
	if (lost === 0) return head;
	const more = losses.length > shownLosses ? [`and ${losses.length - shownLosses} more`] : [];
	const lines = [...losses.slice(0, shownLosses), ...more].map((line) => `\n    ${line}`);
	return `${head}, the last one lost was due ${Math.round(failingMs)} ms after its begin${lines.join("")}`;
}

function rowsOf(fault: string, runs: readonly (readonly PhaseReport[])[]): readonly BenchRow[] {
	const isPlanned = fault === "rolling-update" || fault === "node-drain";
	const isPowerOff = fault === "power-off";
	return (runs[0] ?? []).flatMap(({ phase, side }, index) => {
		const all = runs.flatMap((run) => run[index] ?? []);
		// The node is another one in each run.
		const what = `${phase.replace(/ of n\d+$/, "")}, ${side}`;
		const row = (of: string, unit: string, value: (report: PhaseReport) => number, target?: string): BenchRow => ({
			what: `${what}: ${of}`,
			unit,
			spread: spreadOf(all.map(value)),
			...(target === undefined ? {} : { target }),
		});
		return [
			row(
				"lost",
				"requests",
				({ lost }) => lost,
				isPlanned || phase.startsWith("the API server") ? "max 0" : undefined,
			),
			...(!isPowerOff ? [] : [row("the last one lost", "ms", ({ failingMs }) => failingMs, "max <= 2000")]),
			row("longest gap", "ms", ({ gapMs }) => gapMs),
		];
	});
}

async function answers({ outside }: PathCluster, host: string): Promise<boolean> {
	const socket = await connectInNamespace(outside, { host, port: 80 }, 2_000).catch(() => undefined);
	if (!socket) return false;
	return await new Promise((resolve) => {
		const done = (isGood: boolean): void => {
			resolve(isGood);
			socket.destroy();
		};
		socket.setTimeout(2_000, () => done(false));
		socket.once("data", (chunk) => done(String(chunk).startsWith("HTTP/1.1 200")));
		socket.once("error", () => done(false)).once("close", () => done(false));
		socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
	});
}

async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
	const endMs = performance.now() + patienceMs;
	while (!(await ask())) {
		if (performance.now() > endMs) throw new Error(`${what}: not within ${patienceMs / 1000} s`);
		await sleep(200);
	}
}
