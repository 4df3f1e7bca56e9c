// How often an address may move of free will. A move happened at some moment: until the window after it has passed no other may
// follow, and the window doubles each time moves come soon after one another. Forced moves (a death, a release) never wait.

import type { HealthPolicy } from "../vip-config.ts";

export interface MoveHistory {
	/** When the last move of free will was, or this process started: what others saw before is not known. */
	readonly lastUs: number;
	readonly windowUs: number;
	readonly moves: number;
}

export function startMoves(policy: HealthPolicy, nowUs: number): MoveHistory {
	return { lastUs: nowUs, windowUs: policy.holdDownMs * 1000, moves: 0 };
}

/** Twice as long as before, unless it was quiet for two windows. */
export function countMove(policy: HealthPolicy, history: MoveHistory, nowUs: number): MoveHistory {
	const shortestUs = policy.holdDownMs * 1000;
	const longestUs = Math.max(shortestUs, policy.maxHoldDownMs * 1000);
	const soon = history.moves > 0 && nowUs - history.lastUs <= 2 * history.windowUs;
	const windowUs = soon ? Math.min(longestUs, history.windowUs * 2) : shortestUs;
	return { lastUs: nowUs, windowUs, moves: history.moves + 1 };
}

/** When the next move of free will may be; in the past when now. */
export function nextMoveUs(history: MoveHistory): number {
	return history.lastUs + history.windowUs;
}
