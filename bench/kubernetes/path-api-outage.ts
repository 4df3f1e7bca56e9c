// The API server dies, and meanwhile everything that has to start again without it: the control planes, the node agents, the proxy of a
// server, the virtual IPs' processes. In: for how long it is away (`--outage SECONDS`, 60 unless told). Says when each serves again.

import { setTimeout as sleep } from "node:timers/promises";
import { envoyOf, isReady, type KeepmeshPart, keepmeshProcesses } from "../../cluster/keepmesh-processes.ts";
import { programDown, programUp } from "../../cluster/program-power.ts";
import type { FaultContext } from "./path-faults.ts";
import { pathNamespace } from "./path-objects.ts";

const defaultOutageSeconds = 60;
/** After each kill, for what only comes then. */
const settleMs = 8_000;
const patienceMs = 300_000;

export async function apiServerDown({ cluster, mark, say }: FaultContext): Promise<() => Promise<void>> {
	const { kubectl, planned, record } = cluster;
	const outageMs = outageSeconds() * 1000;
	const path = "jsonpath={.items[0].metadata.uid}";
	const server = await kubectl("get", "pods", "--namespace", pathNamespace, "--selector", "app=server", "-o", path);
	const pids = (part: KeepmeshPart): readonly number[] => keepmeshProcesses(record, planned, part);
	const since = (startMs: number): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
	const kill = (victims: readonly number[]): number => {
		if (victims.length === 0) throw new Error("there is nothing to kill");
		for (const pid of victims) process.kill(pid, "SIGKILL");
		return performance.now();
	};
	const others = (before: readonly number[], now: readonly number[]): boolean =>
		now.length >= before.length && now.every((pid) => !before.includes(pid));

	mark("the API server is gone");
	const goneMs = performance.now();
	await programDown(record, planned, "kube-apiserver");
	const up = (): Promise<void> => programUp(record, planned, "kube-apiserver");
	try {
		await sleep(settleMs);

		mark("control planes are killed");
		const controls = pids("control");
		const controlsMs = kill(controls);
		await until("the control planes serve", async () => {
			const now = pids("control");
			return others(controls, now) && (await Promise.all(now.map((pid) => isReady("control", pid)))).every((is) => is);
		});
		say(`control planes serve again after ${since(controlsMs)}`);
		await sleep(settleMs);

		mark("node agents are killed");
		const agents = pids("node");
		const agentsMs = kill(agents);
		await until("the agents run", async () => others(agents, pids("node")));
		say(`node agents run again after ${since(agentsMs)}`);
		await sleep(settleMs);

		mark("a server's proxy is killed");
		const envoy = envoyOf(record, planned, server);
		const envoyMs = kill(envoy === undefined ? [] : [envoy]);
		await until("it runs", async () => ![undefined, envoy].includes(envoyOf(record, planned, server)));
		say(`a proxy runs again after ${since(envoyMs)}`);
		await sleep(settleMs);

		mark("virtual IPs are killed");
		const vips = pids("vip");
		const vipsMs = kill(vips);
		await until("they run", async () => others(vips, pids("vip")));
		say(`virtual IPs' processes run again after ${since(vipsMs)}`);
		await sleep(settleMs);

		mark("the API server is still gone");
		await sleep(Math.max(settleMs, goneMs + outageMs - performance.now()));

		mark("the API server is back");
		say(`the API server was gone for ${since(goneMs)}`);
		await up();
		await sleep(2 * settleMs);
		return async () => {};
	} catch (error) {
		await up();
		throw error;
	}
}

function outageSeconds(): number {
	const at = process.argv.indexOf("--outage");
	const seconds = at < 0 ? defaultOutageSeconds : Number(process.argv[at + 1]);
	if (!(seconds > 0)) throw new Error("--outage takes seconds");
	return seconds;
}

async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
	const endMs = performance.now() + patienceMs;
	while (!(await ask())) {
		if (performance.now() > endMs) throw new Error(`${what}: not within ${patienceMs / 1000} s`);
		await sleep(50);
	}
}
