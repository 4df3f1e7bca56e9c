// Sends HTTP requests and counts what comes back. In: a LoadRequest. Out: a LoadReport. Bounded in count and, by the time
// limit of each request, in time. Run in a namespace by http-sender.ts.

import { Agent, get } from "node:http";
import { isGood, type LoadReport, type LoadRequest, type Outcome, summarise } from "./load-report.ts";

/** `stop` ends an open loop before its count is reached; what is under way is waited for. */
export async function sendLoad(request: LoadRequest, stop?: AbortSignal): Promise<LoadReport> {
	const { durationMs, lateMs, outcomes } = await sendRequests(request, stop);
	return { ...summarise(outcomes, durationMs), lateMs };
}

/** Of the body of a bad answer: Envoy says there why. */
const shownBytes = 120;

interface SentRequests {
	readonly outcomes: readonly Outcome[];
	readonly startedMs: number;
	readonly durationMs: number;
	/** See LoadReport. */
	readonly lateMs: number;
}

/** The same, one by one; `startedMs` is of this process's performance.now(). */
export async function sendRequests(request: LoadRequest, stop?: AbortSignal): Promise<SentRequests> {
	const { keptConnections = 0 } = request;
	const agents =
		request.ratePerSecond && keptConnections > 0
			? Array.from({ length: keptConnections }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
			: [
					new Agent({
						keepAlive: request.newConnections !== true,
						maxSockets: request.ratePerSecond ? Infinity : request.concurrency,
					}),
				];
	let turn = 0;
	const nextAgent = (): Agent | undefined => agents[turn++ % agents.length];
	const startedMs = performance.now();
	const elapsedMs = (): number => performance.now() - startedMs;
	try {
		const { outcomes, lateMs } = request.ratePerSecond
			? await openLoop(request, request.ratePerSecond, nextAgent, elapsedMs, stop)
			: { outcomes: await closedLoop(request, nextAgent, elapsedMs), lateMs: 0 };
		return { outcomes, startedMs, durationMs: elapsedMs(), lateMs };
	} finally {
		for (const agent of agents) agent.destroy();
	}
}

/** Of the next request. */
type NextAgent = () => Agent | undefined;

async function closedLoop(
	request: LoadRequest,
	nextAgent: NextAgent,
	elapsedMs: () => number,
): Promise<readonly Outcome[]> {
	const outcomes: Outcome[] = [];
	let started = 0;
	const lane = async (): Promise<void> => {
		while (started < request.requests) {
			started++;
			outcomes.push(await sendOne(request, nextAgent(), elapsedMs(), elapsedMs));
		}
	};
	await Promise.all(Array.from({ length: request.concurrency }, lane));
	return outcomes;
}

/** Latency counts from the moment a request was due, so a stall of the sender or the mesh is not hidden. */
async function openLoop(
	request: LoadRequest,
	ratePerSecond: number,
	nextAgent: NextAgent,
	elapsedMs: () => number,
	stop: AbortSignal | undefined,
): Promise<Pick<SentRequests, "outcomes" | "lateMs">> {
	const underWay: Promise<Outcome>[] = [];
	let lateMs = 0;
	while (underWay.length < request.requests && !stop?.aborted) {
		const dueMs = (underWay.length * 1000) / ratePerSecond;
		const waitMs = dueMs - elapsedMs();
		if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
		else {
			lateMs = Math.max(lateMs, -waitMs);
			underWay.push(sendOne(request, nextAgent(), dueMs, elapsedMs));
			// One that is behind would else only send, and take what it does not read for lost.
			await new Promise((resolve) => setImmediate(resolve));
		}
	}
	return { outcomes: await Promise.all(underWay), lateMs };
}

function sendOne(
	request: LoadRequest,
	agent: Agent | undefined,
	startMs: number,
	elapsedMs: () => number,
): Promise<Outcome> {
	const { host, port, path, headers, countHeader, timeoutMs = 10_000 } = request;
	return new Promise((resolve) => {
		let because = "";
		const done = (outcome: string, version = "none"): void =>
			resolve({ startMs, endMs: elapsedMs(), outcome, version, ...(because && { because }) });
		const sent = get({ host, port, path, agent, headers: { ...headers } }, (response) => {
			const counted = countHeader ? response.headers[countHeader] : undefined;
			const version = typeof counted === "string" ? counted : "none";
			response.on("error", () => done("broken", version));
			response.on("end", () => done(String(response.statusCode), version));
			if (isGood({ outcome: String(response.statusCode) })) return void response.resume();
			response.setEncoding("latin1").on("data", (chunk: string) => {
				because = (because + chunk).slice(0, shownBytes);
			});
		});
		const timer = setTimeout(() => {
			done("timeout");
			sent.destroy();
		}, timeoutMs);
		sent.on("close", () => clearTimeout(timer));
		sent.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
	});
}
