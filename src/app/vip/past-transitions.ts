// The last moves of a virtual router, with their time, for people.

import type { Transition } from "../../vip/vrrp/instance-state.ts";

export interface PastTransition extends Transition {
	readonly atWallMs: number;
}

const kept = 20;

/** The newest last. */
export function remember(past: PastTransition[], transition: Transition, atWallMs: number): void {
	past.push({ ...transition, atWallMs });
	if (past.length > kept) past.shift();
}
