// The notify directives of instances and groups: statements come in, NotifyConfig goes out.

import type { NotifyConfig, NotifyEvent, NotifyUser } from "../vip-config.ts";
import { type Directive, keywordOf, toggle, warn } from "./block-reader.ts";
import { type ConfCommand, readCommand } from "./conf-script.ts";

export interface NotifyDraft {
	readonly notify: Map<NotifyEvent, ConfCommand>;
	/** `notify_deleted` stands there, with or without a command. */
	sendsDeleted: boolean;
	notifiesPriority?: boolean;
}

function notify(event: NotifyEvent): Directive<NotifyDraft> {
	return (draft, statement, context) => {
		if (event === "deleted") draft.sendsDeleted = true;
		if (event === "deleted" && statement.words.length < 2) return;
		const command = readCommand(statement, context);
		if (!command) return;
		if (draft.notify.has(event))
			warn(context, statement, `${keywordOf(statement)} stands there already: the first one counts`, "take one out");
		else draft.notify.set(event, command);
	};
}

export const groupNotifyTable = {
	notify_master: notify("master"),
	notify_backup: notify("backup"),
	notify_fault: notify("fault"),
	notify_stop: notify("stop"),
	notify: notify("any"),
	notify_priority_changes: toggle<NotifyDraft>((draft, on) => {
		draft.notifiesPriority = on;
	}),
};

export const instanceNotifyTable = {
	...groupNotifyTable,
	notify_deleted: notify("deleted"),
	notify_master_rx_lower_pri: notify("lowerPriorityHeard"),
};

export function notifyConfigOf({ notify, sendsDeleted, notifiesPriority }: NotifyDraft): NotifyConfig {
	const users: Partial<Record<NotifyEvent, NotifyUser>> = {};
	const commands: Partial<Record<NotifyEvent, readonly string[]>> = {};
	for (const [event, { argv, user, group }] of notify) {
		commands[event] = argv;
		if (user !== undefined) users[event] = { user, ...(group === undefined ? {} : { group }) };
	}
	return {
		...commands,
		...(Object.keys(users).length > 0 ? { users } : {}),
		...(sendsDeleted ? { sendsDeleted } : {}),
		...(notifiesPriority ? { priorityChanges: true } : {}),
	};
}
