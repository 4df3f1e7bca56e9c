// When a certificate is to be renewed: at half its life, with jitter so that a fleet started together does not ask together.

export interface RotationPlan {
	readonly renewAtMs: number;
	/** A certificate older than this is a reason to alarm: only a fifth of its life is left. */
	readonly alarmAtMs: number;
}

const renewAtShare = 0.5;
const jitterShare = 0.05;
const alarmAtShare = 0.8;

/** `random` is a number in [0, 1). */
export function planRotation(notBeforeMs: number, notAfterMs: number, random: number): RotationPlan {
	const lifeMs = notAfterMs - notBeforeMs;
	return {
		renewAtMs: notBeforeMs + lifeMs * (renewAtShare + (2 * random - 1) * jitterShare),
		alarmAtMs: notBeforeMs + lifeMs * alarmAtShare,
	};
}

/** Wait before the next attempt after `failures` in a row: 50 ms, 100 ms, 200 ms ... 60 s, each up to a quarter longer. */
export function retryDelayMs(failures: number, random: number): number {
	return Math.min(60_000, 50 * 2 ** Math.max(0, failures - 1)) * (1 + random / 4);
}
