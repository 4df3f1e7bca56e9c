// What a virtual router tells the process that runs it.

import type { ReceivedAdvert } from "../../vip/vrrp/advert.ts";
import type { Transition } from "../../vip/vrrp/instance-state.ts";
import type { VirtualRouter } from "./virtual-router.ts";

/** What the process makes of it: groups, heartbeats, notifications, log. */
export interface VirtualRouterListener {
	moved(router: VirtualRouter, transition: Transition): void;
	/** After each event that changed something. */
	stepped(router: VirtualRouter): void;
	/** Before the machine hears it. */
	heard(router: VirtualRouter, source: string, advert: ReceivedAdvert, nowUs: number): void;
	lowerPriorityHeard(router: VirtualRouter): void;
	/** What the virtual router itself knows of. */
	faultsChanged(router: VirtualRouter): void;
	/** Why its group does not let it claim now. */
	heldBack(router: VirtualRouter, nowUs: number): string | undefined;
	/** Worth a line. */
	noted(router: VirtualRouter, because: string, facts?: object): void;
}
