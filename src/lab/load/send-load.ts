// Sends HTTP requests and counts what comes back. In: a LoadRequest. Out: a LoadReport. Bounded in count and, by the time
// limit of each request, in time. Run in a namespace by http-sender.ts.

import { Agent, get } from "node:http";
import { type LoadReport, type LoadRequest, type Outcome, summarise } from "./load-report.ts";

/** `stop` ends an open loop before its count is reached; what is under way is waited for. */
export async function sendLoad(request: LoadRequest, stop?: AbortSignal): Promise<LoadReport> {
	const { outcomes, durationMs } = await sendRequests(request, stop);
	return summarise(outcomes, durationMs);
}

/** The same, one by one; `startedMs` is of this process's performance.now(). */
export async function sendRequests(
	request: LoadRequest,
	stop?: AbortSignal,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly startedMs: number; readonly durationMs: number }> {
	const agent = new Agent({
		keepAlive: request.newConnections !== true,
		maxSockets: request.ratePerSecond ? Infinity : request.concurrency,
	});
	const startedMs = performance.now();
	const elapsedMs = (): number => performance.now() - startedMs;
	try {
		const outcomes = request.ratePerSecond
			? await openLoop(request, request.ratePerSecond, agent, elapsedMs, stop)
			: await closedLoop(request, agent, elapsedMs);
		return { outcomes, startedMs, durationMs: elapsedMs() };
	} finally {
		agent.destroy();
	}
}

async function closedLoop(request: LoadRequest, agent: Agent, elapsedMs: () => number): Promise<readonly Outcome[]> {
	const outcomes: Outcome[] = [];
	let started = 0;
	const lane = async (): Promise<void> => {
		while (started < request.requests) {
			started++;
			outcomes.push(await sendOne(request, agent, elapsedMs(), elapsedMs));
		}
	};
	await Promise.all(Array.from({ length: request.concurrency }, lane));
	return outcomes;
}

/** Latency counts from the moment a request was due, so a stall of the sender or the mesh is not hidden. */
async function openLoop(
	request: LoadRequest,
	ratePerSecond: number,
	agent: Agent,
	elapsedMs: () => number,
	stop: AbortSignal | undefined,
): Promise<readonly Outcome[]> {
	const underWay: Promise<Outcome>[] = [];
	while (underWay.length < request.requests && !stop?.aborted) {
		const dueMs = (underWay.length * 1000) / ratePerSecond;
		const waitMs = dueMs - elapsedMs();
		if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
		else underWay.push(sendOne(request, agent, dueMs, elapsedMs));
	}
	return Promise.all(underWay);
}

function sendOne(request: LoadRequest, agent: Agent, startMs: number, elapsedMs: () => number): Promise<Outcome> {
	const { host, port, path, headers, countHeader, timeoutMs = 10_000 } = request;
	return new Promise((resolve) => {
		const done = (outcome: string, version = "none"): void =>
			resolve({ startMs, endMs: elapsedMs(), outcome, version });
		const sent = get({ host, port, path, agent, headers: { ...headers } }, (response) => {
			const counted = countHeader ? response.headers[countHeader] : undefined;
			const version = typeof counted === "string" ? counted : "none";
			response.on("error", () => done("broken", version));
			response.on("end", () => done(String(response.statusCode), version));
			response.resume();
		});
		const timer = setTimeout(() => {
			done("timeout");
			sent.destroy();
		}, timeoutMs);
		sent.on("close", () => clearTimeout(timer));
		sent.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
	});
}
