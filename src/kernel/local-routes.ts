// Addresses that this machine takes packets for although no interface has them. linux/ipvs does it by routes of a table of its own.

import type { LocalRoute } from "../l4/ipvs/local-route-plan.ts";
import type { Failure, Outcome } from "./host-network.ts";

export interface LocalRoutes {
	/** Those that we added, in this run or an earlier one. */
	read(): readonly LocalRoute[];
	/** `changed` is false when it was so. */
	add(route: LocalRoute): Outcome;
	remove(route: LocalRoute): Outcome;
	/** All of ours, and the rules that lead to them. */
	cleanUp(): readonly Failure[];
	close(): void;
}
