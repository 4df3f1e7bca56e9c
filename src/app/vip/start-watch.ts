// Whether the virtual routers of this node have found their places after its start: only then may the next node of a rolling update be
// touched. Once they have, what comes later changes nothing: a DaemonSet replaces pods that are not ready all at once.

import type { Answer } from "./planned-moves.ts";
import type { VirtualRouter } from "./virtual-router.ts";

export class StartWatch {
	#isOver = false;

	/** `isMissing`: nobody has said yet what to hold. */
	ready(isMissing: boolean, routers: Iterable<VirtualRouter>): Answer {
		const because = isMissing ? "the cluster has said nothing yet" : unsettled(routers);
		if (because !== undefined && !this.#isOver) return { ok: false, because };
		this.#isOver = true;
		return { ok: true, message: "all had found their places" };
	}
}

/** Why not; undefined: each owns, hears its owner, waits for a lease, or has a reason not to run. */
function unsettled(routers: Iterable<VirtualRouter>): string | undefined {
	for (const { config, state } of routers) {
		if (state.role === "INIT") return `${config.name} has not started`;
		if (state.role === "BACKUP" && !state.heard && !config.lease?.decides)
			return `${config.name} has heard no owner yet`;
	}
	return undefined;
}
