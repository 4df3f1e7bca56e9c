// vrrp_sync_group: a block comes in, a draft of the group goes out; members are checked when all instances are known.

import { type DirectiveTable, error, flag, keywordOf, needsBody, nothing, warn } from "./block-reader.ts";
import { groupNotifyTable, type NotifyDraft } from "./conf-notify.ts";
import { type TracksDraft, tracksTable } from "./conf-tracks.ts";
import type { Statement } from "./conf-tree.ts";

export interface GroupDraft extends TracksDraft, NotifyDraft {
	readonly name: string;
	readonly statement: Statement;
	members?: readonly string[];
	usesWeights: boolean;
}

export function newGroupDraft(name: string, statement: Statement): GroupDraft {
	return { name, statement, tracks: [], notify: new Map(), sendsDeleted: false, usesWeights: false };
}

export const groupTable: DirectiveTable<GroupDraft> = {
	group: (draft, statement, context) => {
		if (!needsBody(statement, context)) return;
		if (draft.members)
			return error(
				context,
				statement,
				"the members are named already: this block is passed over",
				"put all members into one block",
			);
		draft.members = (statement.body ?? []).flatMap((line) => line.words);
	},
	...tracksTable,
	...groupNotifyTable,
	smtp_alert: nothing,
	sync_group_tracking_weight: flag((draft) => {
		draft.usesWeights = true;
	}),
	global_tracking: (draft, statement, context) => {
		warn(
			context,
			statement,
			`${keywordOf(statement)} is an old word`,
			"write track_script and the like into the group",
		);
		draft.usesWeights = true;
	},
};
