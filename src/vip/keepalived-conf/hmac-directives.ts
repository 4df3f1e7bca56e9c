// auth_hmac of keepalived 2.4: keys, the one that signs, and how replays are found. keepalived.conf(5), draft-cassen-vrrp-auth-hmac.

import { type BlockContext, block, type DirectiveTable, error, once, tooMany, value, warn } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";
import { wholeValue } from "./conf-values.ts";
import type { HmacDraft, InstanceDraft } from "./instance-draft.ts";

const hmacTable: DirectiveTable<HmacDraft> = {
	key: (draft, statement, context) => {
		const [, id, text] = statement.words;
		const number = wholeValue(id ?? "", { min: 1, max: 255, otherwise: "the key is passed over" }, statement, context);
		if (number === undefined) return undefined;
		tooMany(statement, 3, context);
		const path = text?.startsWith("file:") ? text.slice(5) : undefined;
		const key = path === undefined ? text : context.files?.read(path)?.split("\n")[0]?.trim();
		const hint = "write key ID hex:..., key ID TEXT or key ID file:/path, of 32 to 64 bytes";
		if (key === undefined)
			return error(context, statement, path === undefined ? "the key is missing" : `${path} cannot be read`, hint);
		const bytes = key.startsWith("hex:") ? (key.length - 4) / 2 : new TextEncoder().encode(key).length;
		if (bytes < 32 || bytes > 64 || (key.startsWith("hex:") && !/^hex:(?:[0-9a-fA-F]{2})+$/.test(key)))
			return error(context, statement, `the key is no text or hex of 32 to 64 bytes (it has ${bytes})`, hint);
		if (draft.keys.has(number))
			return error(
				context,
				statement,
				`there is a key ${number} already: this one is passed over`,
				"give it another number",
			);
		draft.keys.set(number, key);
	},
	active_key: value((draft, word, statement, context) => {
		draft.activeKey = wholeValue(word, { min: 1, max: 255, otherwise: "the first key signs" }, statement, context);
	}),
	anti_replay: value((draft, word, statement, context) => {
		if (word === "time" || word === "monotonic") draft.isMonotonic = word === "monotonic";
		else
			error(
				context,
				statement,
				`there is no anti_replay ${JSON.stringify(word)}: time is taken`,
				"write time or monotonic",
			);
	}),
	time_window: value((draft, word, statement, context) => {
		draft.windowSeconds = wholeValue(word, { min: 1, max: 300, otherwise: "the default is taken" }, statement, context);
	}),
	mode: once((draft, statement, context) => {
		const [, word] = statement.words;
		if (word === "enforce" || word === "permissive") draft.mode = word;
		else if (word === "receive-only") {
			draft.mode = "permissive";
			warn(
				context,
				statement,
				"receive-only is not supported: permissive is taken, which signs as well",
				"write permissive",
				"KM-unsupported",
			);
		} else
			error(
				context,
				statement,
				`there is no mode ${JSON.stringify(word ?? "")}: enforce is taken`,
				"write enforce or permissive",
			);
	}),
};

const read = block(hmacTable);

/** The block of a vrrp_instance. */
export function readHmac(draft: InstanceDraft, statement: Statement, context: BlockContext): undefined {
	warn(
		context,
		statement,
		"keepalived before 2.4 does not know auth_hmac",
		"nothing to do unless such a keepalived reads the file",
	);
	const hmac: HmacDraft = draft.hmac ?? { keys: new Map() };
	read(hmac, statement, context);
	draft.hmac = hmac;
}
