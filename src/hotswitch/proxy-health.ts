// Judges whether a running proxy may have connections, by questions that are put to it all the time. In: for how long each
// question has been waiting, and what the last answers were. Out: a verdict for the switch when it changes, and a remark where
// something is wrong that costs no connection yet.

export interface ProxyHealthConfig {
	/** A worker thread that has not answered for so long is stuck. */
	readonly silentMs: number;
	/** Answers in a row that say "not ready" before that counts. */
	readonly fall: number;
}

export const defaultProxyHealthConfig: ProxyHealthConfig = { silentMs: 2_000, fall: 2 };

export interface ProxyLook {
	/** For each question to a worker thread: how long it has been waiting for its answer; 0 for one that was answered. */
	readonly workersWaitMs: readonly number[];
	/** The same of the question to the main thread. */
	readonly mainWaitMs: number;
	/** What readiness (port 15021) said last. Absent: nothing yet. */
	readonly readiness?: { readonly isReady: boolean; readonly because: string };
	/** What Envoy's own watchdog has counted: threads that did not come around for long, since the process started. */
	readonly megaMisses: ReadonlyMap<string, number>;
}

export interface ProxyHealth {
	readonly isUnready: boolean;
	readonly failures: number;
	readonly megaMisses: ReadonlyMap<string, number>;
	readonly remark: string;
}

/** Of a proxy that has just become ready. */
export const goodHealth: ProxyHealth = { isUnready: false, failures: 0, megaMisses: new Map(), remark: "" };

export type HealthVerdict =
	| { readonly type: "ready" }
	| { readonly type: "unready"; readonly cause?: "stuck"; readonly because: string };

export interface Judged {
	readonly health: ProxyHealth;
	readonly verdict?: HealthVerdict;
	/** When it is another than before; empty: it is over. */
	readonly remark?: string;
}

export function judge(config: ProxyHealthConfig, health: ProxyHealth, look: ProxyLook): Judged {
	const stuck = stuckBecause(config, health, look);
	const says = look.readiness?.isReady === false ? look.readiness.because : undefined;
	const failures = says === undefined ? 0 : health.failures + 1;
	const remark =
		stuck === undefined && look.mainWaitMs >= config.silentMs
			? `the main thread has not answered for ${seconds(look.mainWaitMs)} s; connections are served, new configuration waits`
			: "";
	const isUnready = stuck !== undefined || failures >= config.fall || (health.isUnready && !isGood(config, look));
	const next: ProxyHealth = { isUnready, failures, megaMisses: look.megaMisses, remark };
	const verdict = verdictOf(health, isUnready, stuck, says);
	const told = remark === health.remark || (remark !== "" && health.remark !== "") ? {} : { remark };
	return { health: next, ...(verdict ? { verdict } : {}), ...told };
}

function verdictOf(
	before: ProxyHealth,
	isUnready: boolean,
	stuck: string | undefined,
	says: string | undefined,
): HealthVerdict | undefined {
	if (isUnready === before.isUnready) return undefined;
	if (!isUnready) return { type: "ready" };
	if (stuck !== undefined) return { type: "unready", cause: "stuck", because: stuck };
	return { type: "unready", because: `its readiness says: ${says ?? "nothing"}` };
}

function stuckBecause(config: ProxyHealthConfig, health: ProxyHealth, look: ProxyLook): string | undefined {
	const silent = look.workersWaitMs.filter((waitMs) => waitMs >= config.silentMs);
	if (silent.length > 0) return `a worker thread has not answered for ${seconds(Math.max(...silent))} s`;
	for (const [thread, count] of look.megaMisses)
		if (thread !== "main_thread" && count > (health.megaMisses.get(thread) ?? 0))
			return `Envoy's watchdog: ${thread} did not come around for too long`;
	return undefined;
}

/** Whoever was unready must have answered everything. */
function isGood(config: ProxyHealthConfig, { workersWaitMs, mainWaitMs, readiness }: ProxyLook): boolean {
	return workersWaitMs.every((waitMs) => waitMs === 0) && mainWaitMs < config.silentMs && readiness?.isReady !== false;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);
