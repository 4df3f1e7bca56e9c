// How fast new streams are let in when many come at once: after a control plane died, all of its proxies come to another one. In:
// how late the event loop is, and streams that ask. Out: how many may enter now. The rate falls while the loop is late, and grows
// again while it is not, so that those who are served already stay served.

export interface AdmissionConfig {
	/** Streams a second. */
	readonly first: number;
	readonly least: number;
	readonly most: number;
	/** So many enter at once after a quiet time. */
	readonly burst: number;
	/** A loop that is later than this has too much to do. */
	readonly lateMs: number;
	/** One that is not even this late has time for more. */
	readonly idleMs: number;
}

export const defaultAdmissionConfig: AdmissionConfig = {
	first: 500,
	least: 20,
	most: 5_000,
	burst: 50,
	lateMs: 100,
	idleMs: 40,
};

export interface AdmissionState {
	readonly perSecond: number;
	readonly tokens: number;
	readonly atMs: number;
}

export function initialAdmission(config: AdmissionConfig, atMs: number): AdmissionState {
	return { perSecond: config.first, tokens: config.burst, atMs };
}

export interface AdmissionStep {
	readonly state: AdmissionState;
	/** So many of those that wait may enter. */
	readonly admitted: number;
}

/** `lateMs`: how late the loop was since the last step; undefined when that was not measured. */
export function admit(
	config: AdmissionConfig,
	state: AdmissionState,
	waiting: number,
	atMs: number,
	lateMs?: number,
): AdmissionStep {
	const earned = (Math.max(0, atMs - state.atMs) * state.perSecond) / 1000;
	const tokens = Math.min(config.burst, state.tokens + earned);
	const admitted = Math.min(waiting, Math.floor(tokens));
	return {
		state: { perSecond: nextRate(config, state.perSecond, waiting > 0, lateMs), tokens: tokens - admitted, atMs },
		admitted,
	};
}

function nextRate(config: AdmissionConfig, perSecond: number, isWanted: boolean, lateMs: number | undefined): number {
	if (lateMs === undefined) return perSecond;
	if (lateMs > config.lateMs) return Math.max(config.least, perSecond / 2);
	if (lateMs < config.idleMs && isWanted) return Math.min(config.most, perSecond * 1.5);
	return perSecond;
}
