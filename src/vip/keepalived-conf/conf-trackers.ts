// vrrp_script, track_file, vrrp_track_process and bfd_instance: what can be tracked. Blocks come in, drafts go out; they
// become trackers once somebody tracks them.

import {
	type BlockContext,
	type DirectiveTable,
	error,
	flag,
	nothing,
	once,
	readBlock,
	tooMany,
	value,
	warn,
} from "./block-reader.ts";
import { type ConfCommand, readCommand } from "./conf-script.ts";
import type { Statement } from "./conf-tree.ts";
import { familyOf, microsValue, wholeValue } from "./conf-values.ts";
import { splitQuotedWords } from "./split-words.ts";

type Draft<T> = { -readonly [K in keyof T]: T[K] };

export interface ScriptDraft {
	readonly name: string;
	readonly statement: Statement;
	readonly command?: ConfCommand;
	readonly intervalMs: number;
	/** Default: the interval. */
	readonly timeoutMs?: number;
	readonly weight: number;
	readonly reverse: boolean;
	readonly rise: number;
	readonly fall: number;
	readonly startsFailed: boolean;
	readonly user?: string;
	readonly group?: string;
}

export interface FileDraft {
	readonly name: string;
	readonly statement: Statement;
	readonly path?: string;
	readonly weight: number;
	readonly reverse: boolean;
	readonly initial?: number;
	readonly overwrites: boolean;
}

export interface ProcessDraft {
	readonly name: string;
	readonly statement: Statement;
	readonly command?: readonly string[];
	readonly match?: "initial" | "partial" | "exact";
	readonly weight: number;
	readonly reverse: boolean;
	readonly quorum: number;
	readonly quorumMax?: number;
	readonly forkDelayMs: number;
	readonly terminateDelayMs: number;
	readonly fullCommand: boolean;
}

export interface BfdDraft {
	readonly name: string;
	readonly statement: Statement;
	readonly peer?: string;
	readonly source?: string;
	readonly minReceiveMs: number;
	readonly minTransmitMs: number;
	readonly idleTransmitMs: number;
	readonly multiplier: number;
	readonly passive: boolean;
	readonly ttl?: number;
	readonly maxHops: number;
	readonly weight: number;
	readonly reverse: boolean;
}

/** `weight NUMBER [reverse]` */
function weight<D extends { weight: number; reverse: boolean }>(limit: number): DirectiveTable<D>[string] {
	return once((draft, statement, context) => {
		const [, text, reverse] = statement.words;
		if (text === undefined)
			return error(context, statement, "weight has no value; it is passed over", "write weight NUMBER");
		const number = wholeValue(
			text,
			{ min: -limit, max: limit, otherwise: "the weight is passed over" },
			statement,
			context,
		);
		if (number === undefined) return;
		draft.weight = number + 0;
		draft.reverse = reverse === "reverse";
		if (reverse !== undefined && reverse !== "reverse")
			error(context, statement, `${JSON.stringify(reverse)} is no option of a weight`, "write reverse, or nothing");
		tooMany(statement, 3, context);
	});
}

const count = (field: "rise" | "fall"): DirectiveTable<Draft<ScriptDraft>>[string] =>
	value((draft, word, statement, context) => {
		draft[field] = wholeValue(word, { min: 1, max: 2 ** 31 - 1, otherwise: "1 is taken" }, statement, context) ?? 1;
	});

/** keepalived 2.2 takes whole seconds only; later ones, and Keepmesh, take parts of seconds. */
const time = (field: "intervalMs" | "timeoutMs"): DirectiveTable<Draft<ScriptDraft>>[string] =>
	value((draft, word, statement, context) => {
		const otherwise = field === "intervalMs" ? "1 s is taken" : "the interval is taken";
		const micros = microsValue(word, { min: 0, max: 1_000_000, otherwise }, statement, context);
		if (micros === undefined) return;
		if (micros === 0) warn(context, statement, "must be more than 0: 1 s is taken", "write seconds");
		else if (micros % 1e6 !== 0)
			warn(
				context,
				statement,
				`keepalived before 2.3.2 refuses ${word}: it takes whole seconds only`,
				"nothing to do unless such a keepalived reads the file",
			);
		draft[field] = micros === 0 ? 1000 : Math.max(1, Math.round(micros / 1000));
	});

const scriptTable: DirectiveTable<Draft<ScriptDraft>> = {
	script: once((draft, statement, context) => {
		draft.command = readCommand(statement, context);
	}),
	interval: time("intervalMs"),
	timeout: time("timeoutMs"),
	weight: weight(253),
	rise: count("rise"),
	fall: count("fall"),
	init_fail: flag((draft) => {
		draft.startsFailed = true;
	}),
	user: once((draft, statement, context) => {
		const [, user, group] = statement.words;
		if (user === undefined) return error(context, statement, "user has no value", "write user NAME [GROUP]");
		draft.user = user;
		draft.group = group;
		tooMany(statement, 3, context);
	}),
};

export function readScript(name: string, statement: Statement, context: BlockContext): ScriptDraft {
	const draft: Draft<ScriptDraft> = {
		name,
		statement,
		intervalMs: 1000,
		weight: 0,
		reverse: false,
		rise: 1,
		fall: 1,
		startsFailed: false,
	};
	readBlock(statement.body ?? [], scriptTable, draft, context);
	return draft;
}

const fileTable: DirectiveTable<Draft<FileDraft>> = {
	file: once((draft, statement, context) => {
		const [, path] = splitQuotedWords(statement.text);
		if (path === undefined) error(context, statement, "file has no value", 'write file "/path"');
		else if (!path.startsWith("/"))
			error(context, statement, `${JSON.stringify(path)} must be an absolute path`, 'write file "/path"');
		else draft.path = path;
	}),
	weight: weight(254),
	init_file: (draft, statement, context) => {
		let initial = 0;
		for (const word of statement.words.slice(1))
			if (word === "overwrite") draft.overwrites = true;
			else
				initial =
					wholeValue(word, { min: -(2 ** 31), max: 2 ** 31 - 1, otherwise: "0 is written" }, statement, context) ?? 0;
		draft.initial = initial;
	},
};

export function readTrackFile(name: string, statement: Statement, context: BlockContext): FileDraft {
	const draft: Draft<FileDraft> = { name, statement, weight: 1, reverse: false, overwrites: false };
	readBlock(statement.body ?? [], fileTable, draft, context);
	return draft;
}

const delay = (
	...fields: readonly ("forkDelayMs" | "terminateDelayMs")[]
): DirectiveTable<Draft<ProcessDraft>>[string] =>
	value((draft, word, statement, context) => {
		const micros = microsValue(word, { min: 0.000001, max: 3600, otherwise: "no delay is taken" }, statement, context);
		if (micros !== undefined) for (const field of fields) draft[field] = micros / 1000;
	});

const processTable: DirectiveTable<Draft<ProcessDraft>> = {
	process: once((draft, statement, context) => {
		const words = splitQuotedWords(statement.text).slice(1);
		if (words.length === 0) error(context, statement, "process has no value", "write process NAME [argument ...]");
		else draft.command = words;
	}),
	param_match: value((draft, word, statement, context) => {
		if (word === "initial" || word === "partial") draft.match = word;
		else error(context, statement, `there is no param_match ${JSON.stringify(word)}`, "write initial or partial");
	}),
	weight: weight(254),
	quorum: value((draft, word, statement, context) => {
		draft.quorum =
			wholeValue(word, { min: 1, max: 65535, otherwise: `${draft.quorum} is taken` }, statement, context) ??
			draft.quorum;
	}),
	quorum_max: value((draft, word, statement, context) => {
		draft.quorumMax = wholeValue(word, { min: 0, max: 65535, otherwise: "no maximum is taken" }, statement, context);
	}),
	fork_delay: delay("forkDelayMs"),
	terminate_delay: delay("terminateDelayMs"),
	delay: delay("forkDelayMs", "terminateDelayMs"),
	full_command: flag((draft) => {
		draft.fullCommand = true;
	}),
};

export function readTrackProcess(name: string, statement: Statement, context: BlockContext): ProcessDraft {
	const draft: Draft<ProcessDraft> = {
		name,
		statement,
		weight: 1,
		reverse: false,
		quorum: 1,
		forkDelayMs: 0,
		terminateDelayMs: 0,
		fullCommand: false,
	};
	readBlock(statement.body ?? [], processTable, draft, context);
	// `param_match` alone, without parameters, asks for a process that has none.
	const { match } = draft;
	if (draft.command && (draft.command.length > 1 || match)) draft.match ??= "exact";
	if (draft.quorumMax !== undefined && draft.quorumMax === 0 && draft.quorum === 1) draft.quorum = 0;
	return draft;
}

const bfdAddress = (field: "peer" | "source"): DirectiveTable<Draft<BfdDraft>>[string] =>
	value((draft, word, statement, context) => {
		if (familyOf(word)) draft[field] = word;
		else error(context, statement, `${JSON.stringify(word)} is no address`, "write an address");
	});

const bfdTime = (field: "minReceiveMs" | "minTransmitMs" | "idleTransmitMs"): DirectiveTable<Draft<BfdDraft>>[string] =>
	value((draft, word, statement, context) => {
		const max = field === "idleTransmitMs" ? 10_000 : 1000;
		const min = field === "idleTransmitMs" ? 1000 : 1;
		const scaled = microsValue(word, { min, max, otherwise: `${draft[field]} ms is taken` }, statement, context);
		if (scaled !== undefined) draft[field] = scaled / 1e6;
	});

const bfdNumber = (field: "multiplier" | "ttl" | "maxHops", min: number): DirectiveTable<Draft<BfdDraft>>[string] =>
	value((draft, word, statement, context) => {
		const otherwise = "the default is taken";
		draft[field] = wholeValue(word, { min, max: 255, otherwise }, statement, context) ?? draft[field] ?? 0;
	});

const bfdTable: DirectiveTable<Draft<BfdDraft>> = {
	neighbor_ip: bfdAddress("peer"),
	neighbour_ip: bfdAddress("peer"),
	source_ip: bfdAddress("source"),
	min_rx: bfdTime("minReceiveMs"),
	min_tx: bfdTime("minTransmitMs"),
	idle_tx: bfdTime("idleTransmitMs"),
	multiplier: bfdNumber("multiplier", 1),
	passive: flag((draft) => {
		draft.passive = true;
	}),
	ttl: bfdNumber("ttl", 1),
	hoplimit: bfdNumber("ttl", 1),
	max_hops: bfdNumber("maxHops", 0),
	weight: weight(253),
	vrrp: nothing,
	checker: nothing,
};

export function readBfd(name: string, statement: Statement, context: BlockContext): BfdDraft {
	const draft: Draft<BfdDraft> = {
		name,
		statement,
		minReceiveMs: 10,
		minTransmitMs: 10,
		idleTransmitMs: 1000,
		multiplier: 5,
		passive: false,
		maxHops: 0,
		weight: 0,
		reverse: false,
	};
	readBlock(statement.body ?? [], bfdTable, draft, context);
	return draft;
}
