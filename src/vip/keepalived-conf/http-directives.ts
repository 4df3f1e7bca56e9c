// Directives of HTTP_GET and SSL_GET beyond those of every check, and their url blocks.

import { type DirectiveTable, error, flag, needsBody, once, readBlock, toggle, value, warn } from "./block-reader.ts";
import { wholeValue } from "./conf-values.ts";
import type { CheckDraft } from "./read-checks.ts";
import { splitQuotedWords } from "./split-words.ts";
import type { HttpUrl } from "./virtual-servers.ts";

export type UrlDraft = Omit<HttpUrl, "path"> & { readonly path?: string };

interface UrlParts {
	path?: string;
	digest?: string;
	virtualHost?: string;
	statusCodes?: (readonly [number, number])[];
	pattern?: string;
	mustNotMatch: boolean;
	options: readonly string[];
	minOffset?: number;
	maxOffset?: number;
}

const offset = (field: "minOffset" | "maxOffset"): DirectiveTable<UrlParts>[string] =>
	value((draft, word, statement, context) => {
		draft[field] = wholeValue(word, { min: 0, max: 2 ** 31 - 1, otherwise: "it is passed over" }, statement, context);
	});

const urlTable: DirectiveTable<UrlParts> = {
	path: value((draft, word) => {
		draft.path = word;
	}),
	digest: value((draft, word, statement, context) => {
		if (/^[0-9a-fA-F]{32}$/.test(word)) draft.digest = word.toLowerCase();
		else
			error(
				context,
				statement,
				"the digest has not 32 hexadecimal digits; keepalived leaves it out",
				"take the MD5 of the body",
			);
	}),
	status_code: once((draft, statement, context) => {
		const ranges = statement.words.slice(1).flatMap((word) => {
			const found = /^(\d{3})(?:-(\d{3}))?$/.exec(word);
			const first = Number(found?.[1]);
			const last = Number(found?.[2] ?? found?.[1]);
			if (found && first >= 100 && last >= first) return [[first, last] as const];
			error(context, statement, `${JSON.stringify(word)} is no status code`, "write 200, or 200-299");
			return [];
		});
		if (ranges.length > 0) draft.statusCodes = ranges;
	}),
	virtualhost: value((draft, word) => {
		draft.virtualHost = word;
	}),
	regex: once((draft, statement, context) => {
		const [, pattern] = splitQuotedWords(statement.text);
		if (pattern === undefined) error(context, statement, "regex has no value", 'write regex "PATTERN"');
		else draft.pattern = pattern;
	}),
	regex_no_match: flag((draft) => {
		draft.mustNotMatch = true;
	}),
	regex_options: once((draft, statement) => {
		draft.options = statement.words.slice(1);
	}),
	regex_min_offset: offset("minOffset"),
	regex_max_offset: offset("maxOffset"),
	regex_stack: (_draft, statement, context) =>
		warn(context, statement, "regex_stack is not needed", "take it out", "KM-unsupported"),
};

export const httpTable: DirectiveTable<CheckDraft> = {
	url: (draft, statement, context) => {
		if (!needsBody(statement, context)) return;
		const parts: UrlParts = { mustNotMatch: false, options: [] };
		readBlock(statement.body ?? [], urlTable, parts, context);
		const { path, digest, virtualHost, statusCodes, pattern, mustNotMatch, options, minOffset, maxOffset } = parts;
		if (path === undefined)
			return error(context, statement, "the url has no path: keepalived leaves it out", "write path /");
		const offsets = {
			...(minOffset === undefined ? {} : { minOffset }),
			...(maxOffset === undefined ? {} : { maxOffset }),
		};
		draft.urls.push({
			path,
			...(digest === undefined ? {} : { digest }),
			// With a digest alone, the status does not matter.
			statusCodes: statusCodes ?? [[200, 299]],
			...(virtualHost === undefined ? {} : { virtualHost }),
			...(pattern === undefined ? {} : { regex: { pattern, mustNotMatch, options, ...offsets } }),
		});
	},
	http_protocol: value((draft, word, statement, context) => {
		const known = (["1.0", "1.0C", "1.1"] as const).find((version) => version === word.toUpperCase());
		if (known) draft.protocol = known;
		else
			error(
				context,
				statement,
				`there is no http_protocol ${JSON.stringify(word)}: 1.0 is taken`,
				"write 1.0, 1.0C or 1.1",
			);
	}),
	fast_recovery: toggle((draft, on) => {
		draft.fastRecovery = on;
	}),
	virtualhost: (_draft, statement, context) =>
		error(context, statement, "virtualhost belongs into url, real_server or virtual_server", "move it"),
	nb_get_retry: value((draft, word, statement, context) => {
		warn(context, statement, "nb_get_retry is an old word", "write retry");
		draft.timing.retry = wholeValue(
			word,
			{ min: 0, max: 2 ** 31 - 1, otherwise: "it is passed over" },
			statement,
			context,
		);
	}),
};
