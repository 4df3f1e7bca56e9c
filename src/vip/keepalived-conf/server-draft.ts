// A virtual_server and its real servers as their blocks say it, before defaults.

import type { Forwarding } from "../../l4/balancer.ts";
import type { ConfCommand } from "./conf-script.ts";
import type { Statement } from "./conf-tree.ts";
import type { ChecksDraft } from "./read-checks.ts";
import type { TimingDraft } from "./timing-directives.ts";
import type { Scheduler, VirtualServer } from "./virtual-servers.ts";

export interface ServerDraft extends TimingDraft {
	scheduler?: Scheduler;
	readonly schedulerFlags: string[];
	onePacket: boolean;
	forwarding?: Forwarding;
	protocol?: VirtualServer["protocol"];
	persistence?: { timeoutSec: number; granularity?: string; engine?: string };
	suspends: boolean;
	virtualHost?: string;
	family?: "ipv4" | "ipv6";
	omega: boolean;
	inhibits: boolean;
	quorum: number;
	hysteresis: number;
	quorumUp?: ConfCommand;
	quorumDown?: ConfCommand;
	sorry?: { address: string; port?: number; inhibits: boolean; forwarding?: Forwarding };
	readonly real: RealDraft[];
}

export interface RealDraft extends ChecksDraft {
	readonly address: string;
	readonly port?: number;
	readonly statement: Statement;
	weight: number;
	forwarding?: Forwarding;
	inhibits?: boolean;
	upper?: number;
	lower?: number;
	virtualHost?: string;
	notifyUp?: ConfCommand;
	notifyDown?: ConfCommand;
}
