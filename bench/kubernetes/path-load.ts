// Requests from outside of a cluster to its virtual IP, side by side: each on a connection of its own, and on connections that are kept.
// Open loop, until it is told to stop. Out: every request, with times of CLOCK_MONOTONIC.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { checkout, nodeProgram } from "../../cluster/cluster-paths.ts";
import type { SentRequest } from "../../src/lab/drill/sent-requests.ts";
import type { LoadRequest } from "../../src/lab/load/load-report.ts";

export const sides = ["new connections", "kept connections"] as const;
export type Side = (typeof sides)[number];

/** Of each side, a second. */
const rate = 40;
const keptConnections = 8;
/** A request that was not answered by then is lost. */
const timeoutMs = 5_000;
const mostMinutes = 30;

interface SenderOutput {
	readonly startUs: number;
	readonly outcomes: readonly string[];
	readonly requests: readonly (readonly [number, number, number])[];
}

export interface PathLoad {
	/** Ends it, and waits for what is under way. */
	stop(): Promise<ReadonlyMap<Side, readonly SentRequest[]>>;
	isRunning(): boolean;
}

/** Resolves when both sides send. `namespace`: path of the network namespace that they send from. */
export async function startPathLoad(namespace: string, address: string): Promise<PathLoad> {
	const request = { host: address, port: 80, path: "/", concurrency: 1, ratePerSecond: rate, timeoutMs };
	const requests = rate * 60 * mostMinutes;
	const senders = [
		startSender(namespace, { ...request, requests, newConnections: true }),
		startSender(namespace, { ...request, requests, keptConnections }),
	];
	const kill = (): void => {
		for (const { child } of senders) child.kill("SIGKILL");
	};
	// Also when this process is ended by a signal: their input ends with it.
	await Promise.all(senders.map(({ begun }) => begun)).catch((error: unknown) => {
		kill();
		throw error;
	});
	let isRunning = true;
	return {
		isRunning: () => isRunning,
		stop: async () => {
			isRunning = false;
			for (const { child } of senders) child.stdin?.end();
			const sent = await Promise.all(senders.map(({ ended }) => ended));
			return new Map(sides.map((side, index) => [side, sent[index] ?? []]));
		},
	};
}

interface Sender {
	readonly child: ChildProcess;
	readonly begun: Promise<void>;
	readonly ended: Promise<readonly SentRequest[]>;
}

function startSender(namespace: string, request: LoadRequest): Sender {
	const program = join(checkout, "src/lab/drill/request-log-sender.ts");
	const args = [`--net=${namespace}`, "--", nodeProgram, "--no-warnings", program, JSON.stringify(request)];
	const child = spawn("nsenter", args, { stdio: ["pipe", "pipe", "inherit"] });
	const begun = Promise.withResolvers<void>();
	const ended = Promise.withResolvers<readonly SentRequest[]>();
	let text = "";
	child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
		text += chunk;
		begun.resolve();
	});
	child.stdin?.on("error", () => {});
	child.once("error", begun.reject);
	child.once("close", (code) => {
		begun.reject(new Error(`a sender ended with ${code}`));
		const line = text.split("\n")[1];
		if (line) ended.resolve(requestsOf(JSON.parse(line) as SenderOutput));
		else ended.reject(new Error(`a sender ended with ${code}`));
	});
	ended.promise.catch(() => {});
	return { child, begun: begun.promise, ended: ended.promise };
}

function requestsOf({ outcomes, requests, startUs }: SenderOutput): readonly SentRequest[] {
	return requests.map(([dueMs, endMs, outcome]) => ({
		dueUs: startUs + dueMs * 1000,
		endUs: startUs + endMs * 1000,
		outcome: outcomes[outcome] ?? "",
	}));
}
