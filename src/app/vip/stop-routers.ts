// The end of all virtual routers: each hands over what it owns, at once and beside one another; who has no successor in time
// lets go without.

import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import { successionLimitUs } from "../../vip/vrrp/instance-timers.ts";
import type { VirtualRouter } from "./virtual-router.ts";

/** Beyond what successors may take. */
const marginUs = 100_000;

/** Gives back what is to be called after each event, and calls `onStopped` once all have stopped. */
export function stopRouters(
	routers: readonly VirtualRouter[],
	loop: Pick<RealTimeLoop, "nowUs" | "at">,
	onStopped: () => void,
): () => void {
	const limitUs = Math.max(0, ...routers.map(({ config }) => successionLimitUs(config))) + marginUs;
	const stop = (handOver: boolean): void => {
		for (const router of routers) router.deliver({ type: "stopRequested", nowUs: loop.nowUs(), handOver });
	};
	const cancel = loop.at(loop.nowUs() + limitUs, () => stop(false));
	let stopped = false;
	const check = (): void => {
		if (stopped || routers.some(({ state }) => state.role !== "STOP")) return;
		stopped = true;
		cancel();
		onStopped();
	};
	stop(true);
	return check;
}
