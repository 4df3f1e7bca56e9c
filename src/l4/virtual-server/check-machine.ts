// One check of a real server over time: an outcome comes in, what it means and when to ask again goes out. Retries, the walk through
// several urls and dynamic weights are those of keepalived 2.2 (keepalived.conf(5), "real_server").

import type { RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";

/** What one run of a check found. */
export interface CheckOutcome {
	readonly ok: boolean;
	/** For people: `HTTP 503`, `connection refused`. */
	readonly because: string;
	/** Of a script that ended by itself. */
	readonly exitCode?: number;
	/** The number in a file. */
	readonly value?: number;
}

export interface CheckState {
	readonly isUp: boolean;
	readonly hasRun: boolean;
	/** Failures since the last success, while the check still counts as good. */
	readonly failures: number;
	/** Which url is next. */
	readonly url: number;
	/** That url has failed for good: it is asked alone until it is good again, then all of them. */
	readonly urlFailed: boolean;
	/** What the check adds to the server's weight. */
	readonly adjustment: number;
	readonly because: string;
}

export interface CheckStep {
	readonly state: CheckState;
	/** The check has something to say about its server; the server decides what it makes of it. */
	readonly verdict?: "up" | "down";
	/** Until the next run, from the end of this one; undefined: what it looks at says so by itself. */
	readonly nextMs?: number;
}

/** What a weight of a file must reach for the server to count as failed. */
const fileFault = -(2 ** 31);

export function newCheckState(check: RealServerCheck): CheckState {
	const alpha = check.alpha && check.type !== "file";
	return {
		isUp: !alpha,
		hasRun: false,
		failures: 0,
		url: 0,
		urlFailed: false,
		adjustment: 0,
		because: "not checked yet",
	};
}

/** `tookMs`: how long the run was; scripts are started at a fixed distance from start to start. */
export function afterCheck(
	check: RealServerCheck,
	weight: number,
	state: CheckState,
	outcome: CheckOutcome,
	tookMs: number,
): CheckStep {
	const heard = { ...state, because: outcome.because };
	switch (check.type) {
		case "http":
			return outcome.ok ? afterGoodUrl(check, heard) : afterBadUrl(check, heard);
		case "misc":
			return afterScript(check, weight, heard, outcome, tookMs);
		case "file":
			return afterFile(check, heard, outcome.value ?? 0);
		case "dns":
		case "tcp":
		case "smtp":
		case "udp":
		case "ping":
		case "bfd":
			return afterAnswer(check, heard, outcome.ok);
		default:
			return check satisfies never;
	}
}

function afterAnswer(check: RealServerCheck, state: CheckState, ok: boolean): CheckStep {
	const nextMs = check.delayLoopMs;
	const rested: CheckState = { ...state, failures: 0, hasRun: true };
	if (ok) return { state: { ...rested, isUp: true }, nextMs, ...(state.isUp && state.hasRun ? {} : { verdict: "up" }) };
	if (!state.isUp && state.hasRun) return { state: rested, nextMs };
	if (state.failures >= check.retry) return { state: { ...rested, isUp: false }, nextMs, verdict: "down" };
	// A server that was never good is not tried again sooner, except by DNS_CHECK.
	if (!state.isUp && check.type !== "dns") return { state: rested, nextMs };
	return { state: { ...state, hasRun: true, failures: state.failures + 1 }, nextMs: check.delayBeforeRetryMs };
}

type HttpCheck = Extract<RealServerCheck, { type: "http" }>;

function afterGoodUrl(check: HttpCheck, state: CheckState): CheckStep {
	const isLast = state.url + 1 >= check.urls.length;
	const again = { ...state, url: 0, urlFailed: false, failures: 0 };
	if (isLast && !state.urlFailed) {
		const done = { ...again, isUp: true, hasRun: true };
		return { state: done, nextMs: check.delayLoopMs, ...(state.isUp && state.hasRun ? {} : { verdict: "up" }) };
	}
	const next = state.urlFailed ? again : { ...state, url: state.url + 1, failures: 0 };
	// At the start one failure decides.
	const started = state.hasRun ? next : { ...next, failures: check.retry };
	const atOnce = check.fastRecovery && (!state.isUp || !state.hasRun);
	return { state: started, nextMs: atOnce ? 0 : check.delayLoopMs };
}

function afterBadUrl(check: HttpCheck, state: CheckState): CheckStep {
	const { delayBeforeRetryMs, delayLoopMs } = check;
	const failedMs = Math.max(delayBeforeRetryMs, delayLoopMs);
	if (!state.isUp && state.hasRun) return { state, nextMs: state.urlFailed ? failedMs : delayBeforeRetryMs };
	const failures = state.failures + 1;
	const counted = { ...state, hasRun: true, failures };
	if (failures <= check.retry) return { state: counted, nextMs: delayBeforeRetryMs };
	return { state: { ...counted, isUp: false, urlFailed: true }, nextMs: failedMs, verdict: "down" };
}

function afterScript(
	check: Extract<RealServerCheck, { type: "misc" }>,
	weight: number,
	state: CheckState,
	outcome: CheckOutcome,
	tookMs: number,
): CheckStep {
	const { exitCode } = outcome;
	const isWeight = check.dynamic && exitCode !== undefined && exitCode >= 2;
	const inMs = (ms: number): number => Math.max(0, ms - tookMs);
	if (exitCode === 0 || isWeight) {
		// Exit code 0 leaves the weight as it is, also one that an earlier code has set.
		const adjustment = isWeight ? exitCode - 2 - weight : state.adjustment;
		return {
			state: { ...state, isUp: true, hasRun: true, failures: 0, adjustment },
			nextMs: inMs(check.delayLoopMs),
			...(state.isUp && state.hasRun ? {} : { verdict: "up" }),
		};
	}
	if (!state.isUp && state.hasRun) return { state, nextMs: inMs(check.delayLoopMs) };
	if (state.failures < check.retry)
		return { state: { ...state, failures: state.failures + 1 }, nextMs: inMs(check.delayBeforeRetryMs) };
	return {
		// What the script had said of the weight is forgotten with it.
		state: { ...state, isUp: false, hasRun: true, failures: 0, adjustment: 0 },
		nextMs: inMs(check.delayLoopMs),
		verdict: "down",
	};
}

function afterFile(check: Extract<RealServerCheck, { type: "file" }>, state: CheckState, value: number): CheckStep {
	const { weight = 1, reverse = false } = check;
	const product = value * weight * (reverse ? -1 : 1);
	const isDown = weight === 0 ? (value !== 0) !== reverse : product <= fileFault;
	// Never -0, which would look like another weight.
	const adjustment = isDown || weight === 0 ? 0 : product + 0;
	return {
		state: { ...state, isUp: !isDown, hasRun: true, adjustment },
		...(state.isUp === !isDown ? {} : { verdict: isDown ? "down" : "up" }),
	};
}

/** Another run of the program, or of its configuration, has the same check: what it found goes on. */
export function carryCheck(check: RealServerCheck, old: CheckState): CheckState {
	return { ...old, failures: old.isUp ? Math.min(old.failures, check.retry) : check.retry + 1 };
}

/** What is asked, without when: two checks with the same text are one to a reload. */
export function checkIdentity(check: RealServerCheck): string {
	const { delayLoopMs, connectTimeoutMs, retry, delayBeforeRetryMs, warmupMs, alpha, ...asked } = check;
	return JSON.stringify(asked);
}
