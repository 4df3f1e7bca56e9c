// What keepalived tells scripts and FIFOs when a virtual router or a group moves: which commands, with which words, and which
// line. keepalived.conf(5), "notify" and "notify_fifo".

import type { InstanceConfig, NotifyConfig, NotifyEvent, NotifyUser } from "../../vip/vip-config.ts";
import type { Move } from "./move.ts";

export interface Notification {
	/** In this order. */
	readonly commands: readonly { readonly argv: readonly string[]; readonly owner?: NotifyUser }[];
	/** For each FIFO, without its end of line. */
	readonly line: string;
}

/** A group has no priority of its own; keepalived says 0. */
const groupPriority = 0;

const eventsOf: Readonly<Record<string, NotifyEvent>> = {
	MASTER: "master",
	BACKUP: "backup",
	FAULT: "fault",
	STOP: "stop",
	DELETED: "deleted",
};

export function notificationOfMove(move: Move): Notification | undefined {
	const { config, transition } = move;
	const deleted = move.kind === "INSTANCE" && move.deleted;
	if (transition.to === "INIT") return undefined;
	// Unless it is to be told as DELETED, what a reload takes away was at fault for keepalived.
	const state =
		deleted && transition.to === "STOP" ? (config.notify.sendsDeleted ? "DELETED" : "FAULT") : transition.to;
	const priority = move.kind === "INSTANCE" ? move.transition.priority : groupPriority;
	return notification(config.notify, eventsOf[state], [move.kind, config.name, state, String(priority)]);
}

export function notificationOfLowerPriority(config: InstanceConfig, priority: number): Notification {
	const words = ["INSTANCE", config.name, "MASTER_RX_LOWER_PRI", String(priority)] as const;
	const { commands, line } = notification(config.notify, "lowerPriorityHeard", words);
	// The command for everything is for states only.
	return { commands: config.notify.lowerPriorityHeard ? commands.slice(0, 1) : [], line };
}

/** Only FIFOs hear of it, and only when asked for. */
export function notificationOfPriority(
	config: InstanceConfig,
	priority: number,
	role: string,
): Notification | undefined {
	if (!config.notify.priorityChanges || (role !== "MASTER" && role !== "BACKUP")) return undefined;
	return { commands: [], line: `INSTANCE "${config.name}" ${role}_PRIORITY ${priority}` };
}

function notification(
	notify: NotifyConfig,
	event: NotifyEvent | undefined,
	words: readonly [string, string, string, string],
): Notification {
	const [kind, name, state, priority] = words;
	const commands: { argv: readonly string[]; owner?: NotifyUser }[] = [];
	const add = (which: NotifyEvent, argv: readonly string[] | undefined): void => {
		if (!argv) return;
		const owner = notify.users?.[which];
		commands.push({ argv, ...(owner ? { owner } : {}) });
	};
	if (event !== undefined && event !== "any") add(event, notify[event]);
	add("any", notify.any && [...notify.any, ...words]);
	return { commands, line: `${kind} "${name}" ${state} ${priority}` };
}
