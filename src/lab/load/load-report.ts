// What a sender says in the end: every request is in exactly one of the counts.

export interface LoadReport {
	readonly sent: number;
	/** Answers by status code; connections that failed or timed out by their reason (`ECONNREFUSED`, `timeout`). */
	readonly byOutcome: Readonly<Record<string, number>>;
	/** Answers by the value of the header that was counted; `none` without it. */
	readonly byVersion: Readonly<Record<string, number>>;
	readonly latencyMs: { readonly min: number; readonly p50: number; readonly p99: number; readonly max: number };
	/** Longest time without a good answer (status below 400) between two good ones, or from the start or to the end. */
	readonly longestGapMs: number;
	readonly durationMs: number;
	/** Most that a request was sent after it was due: a sender that gets no processor measures itself. Absent: not known. */
	readonly lateMs?: number;
}

export interface LoadRequest {
	readonly host: string;
	readonly port: number;
	readonly path: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly requests: number;
	/** Requests under way at once, each on its own kept-alive connection. */
	readonly concurrency: number;
	/** Open loop: so many a second on a fixed schedule, however slow the answers are. Absent: as fast as answers come. */
	readonly ratePerSecond?: number;
	/** Each request on a connection of its own. Default false: connections are kept and used again. */
	readonly newConnections?: boolean;
	/** Of an open loop: so many connections are kept and take turns. Default: as many as are needed at once. */
	readonly keptConnections?: number;
	/** Default 10,000. */
	readonly timeoutMs?: number;
	/** Response header to count answers by. */
	readonly countHeader?: string;
}

export interface Outcome {
	/** Milliseconds since the sender started. */
	readonly startMs: number;
	readonly endMs: number;
	readonly outcome: string;
	readonly version: string;
	/** How the body of a bad answer begins. */
	readonly because?: string;
}

export function summarise(outcomes: readonly Outcome[], durationMs: number): LoadReport {
	const latencies = outcomes.map(({ startMs, endMs }) => endMs - startMs).sort((a, b) => a - b);
	const quantile = (q: number): number =>
		latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0;
	const goodEnds = outcomes.filter(isGood).map(({ endMs }) => endMs);
	const marks = [0, ...goodEnds.sort((a, b) => a - b), durationMs];
	return {
		sent: outcomes.length,
		byOutcome: countBy(outcomes.map(({ outcome }) => outcome)),
		byVersion: countBy(outcomes.map(({ version }) => version)),
		latencyMs: { min: quantile(0), p50: quantile(0.5), p99: quantile(0.99), max: latencies.at(-1) ?? 0 },
		longestGapMs: Math.max(...marks.slice(1).map((mark, index) => mark - (marks[index] ?? 0))),
		durationMs,
	};
}

/** Answers with a status below 400. */
export function goodAnswers(report: LoadReport): number {
	return Object.entries(report.byOutcome)
		.filter(([outcome]) => isGood({ outcome }))
		.reduce((sum, [, count]) => sum + count, 0);
}

/** A status below 400. */
/** `200`, `ECONNRESET`, `503 (no healthy upstream)`. */
export function fullOutcome({ because, outcome }: Outcome): string {
	return because ? `${outcome} (${because})` : outcome;
}

export function isGood({ outcome }: Pick<Outcome, "outcome">): boolean {
	return /^[123]\d\d$/.test(outcome);
}

function countBy(keys: readonly string[]): Readonly<Record<string, number>> {
	const counts = new Map<string, number>();
	for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
	return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
