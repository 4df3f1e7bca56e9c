// What became of a virtual router or a sync group.

import type { InstanceConfig, SyncGroupConfig } from "../../vip/vip-config.ts";
import type { Transition } from "../../vip/vrrp/instance-state.ts";

/** For notifications. */
export type Move =
	| {
			readonly kind: "INSTANCE";
			readonly config: InstanceConfig;
			readonly transition: Transition;
			/** A reload took it away. */
			readonly deleted: boolean;
	  }
	| { readonly kind: "GROUP"; readonly config: SyncGroupConfig; readonly transition: Omit<Transition, "priority"> };
