// Several proxies that do the same -> what a request through each takes, measured in turns. Drift of the machine falls on
// all of them: a turn is short, each second round runs the other way round, and figures are compared within a round only.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface HopProxy {
	readonly name: string;
	/** Process ids of the proxy, or of all on the way. */
	readonly pids: readonly number[];
	/** Where the sender runs. */
	readonly netns: string;
	/** Where it sends. */
	readonly host: string;
	readonly port: number;
	readonly authority: string;
}

export interface HopRound {
	readonly meanUs: number;
	readonly p50Us: number;
	readonly p99Us: number;
	/** CPU of the proxies for one request. */
	readonly cpuUs: number;
}

export interface RoundsOptions {
	readonly rounds: number;
	/** For each proxy in each round. */
	readonly requests: number;
	readonly connections: number;
	/** Rounds before the first that counts. */
	readonly warmUpRounds: number;
}

/** For each proxy, in the order given, its rounds: the n-th of each belong together. */
export async function hopRounds(
	proxies: readonly HopProxy[],
	{ rounds, requests, connections, warmUpRounds }: RoundsOptions,
): Promise<readonly (readonly HopRound[])[]> {
	const lanes = proxies.map((proxy) => ({ proxy, sender: openSender(proxy, connections), rounds: [] as HopRound[] }));
	try {
		for (let round = -warmUpRounds; round < rounds; round++)
			for (const lane of round % 2 === 0 ? lanes : lanes.toReversed()) {
				const beforeNs = cpuNsOf(lane.proxy.pids);
				const { failed, latencyUs } = await lane.sender.send(requests);
				const cpuUs = (cpuNsOf(lane.proxy.pids) - beforeNs) / 1000 / requests;
				if (failed > 0) throw new Error(`${lane.proxy.name}: ${failed} of ${requests} requests failed`);
				if (round < 0) continue;
				lane.rounds.push({ meanUs: latencyUs.mean, p50Us: latencyUs.p50, p99Us: latencyUs.p99, cpuUs });
			}
	} finally {
		for (const { sender } of lanes) sender.end();
	}
	return lanes.map((lane) => lane.rounds);
}

/** Time on a CPU of all threads: the scheduler's own account, as /proc/PID/stat counts in ticks of 10 ms. */
function cpuNsOf(pids: readonly number[]): number {
	let sumNs = 0;
	for (const pid of pids)
		for (const task of readdirSync(`/proc/${pid}/task`))
			sumNs += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
	return sumNs;
}

interface Sent {
	readonly failed: number;
	readonly latencyUs: { readonly p50: number; readonly p99: number; readonly mean: number };
}

interface Sender {
	send(requests: number): Promise<Sent>;
	end(): void;
}

function openSender({ netns, host, port, authority }: HopProxy, connections: number): Sender {
	const script = join(import.meta.dirname, "hop-sender.ts");
	const child: ChildProcess = spawn(
		"nsenter",
		[
			`--net=${netns}`,
			"--",
			process.execPath,
			"--no-warnings",
			script,
			host,
			String(port),
			authority,
			String(connections),
		],
		{ stdio: ["pipe", "pipe", "inherit"] },
	);
	const { stdin, stdout } = child;
	if (!stdin || !stdout) throw new Error("a sender without pipes");
	const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
	return {
		send: async (requests) => {
			stdin.write(`${requests}\n`);
			const { value, done } = await lines.next();
			if (done) throw new Error("the sender ended");
			return JSON.parse(value) as Sent;
		},
		end: () => {
			child.kill("SIGKILL");
		},
	};
}
