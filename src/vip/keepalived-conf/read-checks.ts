// Checks of real servers: HTTP_GET, SSL_GET, TCP_CHECK, SMTP_CHECK, DNS_CHECK, MISC_CHECK, UDP_CHECK, PING_CHECK, FILE_CHECK, BFD_CHECK.

import {
	type Directive,
	type DirectiveTable,
	error,
	flag,
	needsBody,
	nothing,
	once,
	readBlock,
	toggle,
	value,
	warn,
} from "./block-reader.ts";
import { type ConfCommand, readCommand } from "./conf-script.ts";
import { familyOf, wholeValue } from "./conf-values.ts";
import { httpTable, type UrlDraft } from "./http-directives.ts";
import { portValue, type TimingDraft, timingOf, timingTable } from "./timing-directives.ts";
import type { CheckConnection, RealServerCheck } from "./virtual-servers.ts";

/** Where checks are collected, with what they inherit. */
export interface ChecksDraft extends TimingDraft {
	readonly checks: RealServerCheck[];
	readonly outer: TimingDraft["timing"];
}

export interface CheckDraft extends TimingDraft {
	readonly connection: { -readonly [K in keyof CheckConnection]?: CheckConnection[K] };
	readonly urls: UrlDraft[];
	protocol: "1.0" | "1.0C" | "1.1";
	fastRecovery: boolean;
	sni: boolean;
	heloName?: string;
	query: string;
	name?: string;
	payload?: string;
	requiresReply: boolean;
	reply?: string;
	minReplyBytes: number;
	maxReplyBytes: number;
	command?: ConfCommand;
	timeoutMs?: number;
	dynamic: boolean;
	trackFile?: string;
	weight: number | undefined;
	reverse: boolean;
}

const address = (field: "address" | "bindAddress"): DirectiveTable<CheckDraft>[string] =>
	value((draft, word, statement, context) => {
		if (familyOf(word)) draft.connection[field] = word;
		else error(context, statement, `${JSON.stringify(word)} is no address; it is passed over`, "write an address");
	});

const port = (field: "port" | "bindPort"): DirectiveTable<CheckDraft>[string] =>
	value((draft, word, statement, context) => {
		draft.connection[field] = portValue(word, statement, context);
	});

const common: DirectiveTable<CheckDraft> = { ...timingTable, log_all_failures: nothing };
const connecting: DirectiveTable<CheckDraft> = {
	...common,
	connect_ip: address("address"),
	connect_port: port("port"),
	bindto: address("bindAddress"),
	bind_port: port("bindPort"),
	bind_if: value((draft, word) => {
		draft.connection.bindInterface = word;
	}),
	fwmark: value((draft, word, statement, context) => {
		draft.connection.mark = wholeValue(
			word,
			{ min: 0, max: 0xffffffff, otherwise: "it is passed over" },
			statement,
			context,
		);
	}),
};

const bytes = (field: "minReplyBytes" | "maxReplyBytes"): DirectiveTable<CheckDraft>[string] =>
	value((draft, word, statement, context) => {
		const otherwise = `${draft[field]} is taken`;
		draft[field] = wholeValue(word, { min: 0, max: 65535, otherwise }, statement, context) ?? draft[field];
	});

const tables: Readonly<Record<string, DirectiveTable<CheckDraft>>> = {
	HTTP_GET: { ...connecting, ...httpTable },
	SSL_GET: {
		...connecting,
		...httpTable,
		enable_sni: toggle((draft, on) => {
			draft.sni = on;
		}),
	},
	TCP_CHECK: connecting,
	SMTP_CHECK: {
		...connecting,
		helo_name: value((draft, word) => {
			draft.heloName = word;
		}),
		host: (draft, statement, context) => {
			warn(context, statement, "host blocks are an old form: the last one is taken", "write a SMTP_CHECK for each");
			if (needsBody(statement, context)) readBlock(statement.body ?? [], connecting, draft, context);
		},
	},
	DNS_CHECK: {
		...connecting,
		type: value((draft, word, statement, context) => {
			if (["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"].includes(word.toUpperCase()))
				draft.query = word.toUpperCase();
			else
				error(
					context,
					statement,
					`there is no query ${JSON.stringify(word)} here: SOA is taken`,
					"write A, NS, CNAME, SOA, MX, TXT or AAAA",
				);
		}),
		name: value((draft, word) => {
			draft.name = word;
		}),
	},
	MISC_CHECK: {
		...common,
		misc_path: once((draft, statement, context) => {
			draft.command = readCommand(statement, context);
		}),
		misc_timeout: value((draft, word, statement, context) => {
			const seconds = wholeValue(word, { min: 0, max: 1e6, otherwise: "the delay loop is taken" }, statement, context);
			draft.timeoutMs = seconds === undefined ? undefined : seconds * 1000;
		}),
		misc_dynamic: flag((draft) => {
			draft.dynamic = true;
		}),
		user: once((draft, statement, context) => {
			const [, user, group] = statement.words;
			if (!draft.command)
				error(context, statement, "user stands before misc_path: it is passed over", "write misc_path first");
			else if (user !== undefined)
				draft.command = { ...draft.command, user, ...(group === undefined ? {} : { group }) };
		}),
	},
	UDP_CHECK: {
		...connecting,
		payload: once((draft, statement) => {
			draft.payload = statement.words.slice(1).join(" ");
		}),
		require_reply: once((draft, statement) => {
			draft.requiresReply = true;
			if (statement.words.length > 1) draft.reply = statement.words.slice(1).join(" ");
		}),
		min_reply_length: bytes("minReplyBytes"),
		max_reply_length: bytes("maxReplyBytes"),
	},
	PING_CHECK: connecting,
	FILE_CHECK: {
		track_file: value((draft, word) => {
			draft.trackFile = word;
		}),
		weight: once((draft, statement, context) => {
			const word = statement.words[1] ?? "";
			const otherwise = "the file's weight is taken";
			draft.weight = wholeValue(word, { min: -(2 ** 31) + 1, max: 2 ** 31 - 1, otherwise }, statement, context);
			draft.reverse = statement.words[2] === "reverse";
		}),
	},
	BFD_CHECK: {
		name: value((draft, word) => {
			draft.name = word;
		}),
	},
};

function newCheckDraft(): CheckDraft {
	return {
		timing: {},
		connection: {},
		urls: [],
		protocol: "1.0",
		fastRecovery: false,
		sni: false,
		query: "SOA",
		requiresReply: false,
		minReplyBytes: 0,
		maxReplyBytes: 255,
		dynamic: false,
		weight: undefined,
		reverse: false,
	};
}

function check(keyword: string): Directive<ChecksDraft> {
	return (draft, statement, context) => {
		if (!needsBody(statement, context)) return;
		const read = newCheckDraft();
		readBlock(statement.body ?? [], tables[keyword] ?? {}, read, { ...context, block: `${context.block} ${keyword}` });
		const made = checkOf(keyword, read, draft);
		if (typeof made === "string")
			error(context, statement, `${made}: keepalived leaves the check out`, `see keepalived.conf(5), ${keyword}`);
		else draft.checks.push(made);
	};
}

/** The check, or what it lacks. */
function checkOf(keyword: string, read: CheckDraft, { timing, outer }: ChecksDraft): RealServerCheck | string {
	const timed = (type: string) => timingOf(type, read.timing, timing, outer);
	const { connection, dynamic } = read;
	switch (keyword) {
		case "HTTP_GET":
		case "SSL_GET": {
			const urls = read.urls.flatMap(({ path, ...url }) => (path === undefined ? [] : [{ path, ...url }]));
			if (urls.length === 0) return "there is no url with a path";
			const { sni, protocol, fastRecovery } = read;
			return {
				type: "http",
				tls: keyword === "SSL_GET",
				sni,
				protocol,
				fastRecovery,
				urls,
				connection,
				...timed("http"),
			};
		}
		case "TCP_CHECK":
			return { type: "tcp", connection, ...timed("tcp") };
		case "SMTP_CHECK":
			return {
				type: "smtp",
				...(read.heloName === undefined ? {} : { heloName: read.heloName }),
				connection,
				...timed("smtp"),
			};
		case "DNS_CHECK":
			return { type: "dns", query: read.query, name: read.name ?? ".", connection, ...timed("dns") };
		case "UDP_CHECK": {
			const { payload, reply, requiresReply, minReplyBytes, maxReplyBytes } = read;
			const texts = { ...(payload === undefined ? {} : { payload }), ...(reply === undefined ? {} : { reply }) };
			return { type: "udp", ...texts, requiresReply, minReplyBytes, maxReplyBytes, connection, ...timed("udp") };
		}
		case "PING_CHECK":
			return { type: "ping", connection, ...timed("ping") };
		case "MISC_CHECK": {
			const times = timed("misc");
			return read.command
				? { type: "misc", command: read.command, timeoutMs: read.timeoutMs || times.delayLoopMs, dynamic, ...times }
				: "there is no misc_path";
		}
		case "FILE_CHECK": {
			const { trackFile, weight, reverse } = read;
			return trackFile === undefined
				? "there is no track_file"
				: { type: "file", trackFile, ...(weight === undefined ? {} : { weight, reverse }), ...timed("file") };
		}
		default:
			return read.name === undefined ? "there is no name" : { type: "bfd", name: read.name, ...timed("bfd") };
	}
}

export const checksTable: DirectiveTable<ChecksDraft> = Object.fromEntries(
	Object.keys(tables).map((keyword) => [keyword, check(keyword)]),
);
