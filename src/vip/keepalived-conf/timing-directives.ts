// Times and tries of checks: the same directives in virtual_server, real_server and each check, the inner one wins.

import { type BlockContext, type DirectiveTable, error, toggle, value } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";
import { microsValue, wholeValue } from "./conf-values.ts";
import type { CheckTiming } from "./virtual-servers.ts";

/** What one level says; absent: the level outside of it. */
export interface TimingDraft {
	readonly timing: { -readonly [K in keyof CheckTiming]?: CheckTiming[K] };
}

const time = (
	field: "delayLoopMs" | "connectTimeoutMs" | "delayBeforeRetryMs" | "warmupMs",
): DirectiveTable<TimingDraft>[string] =>
	value((draft, word, statement, context) => {
		const min = field === "warmupMs" || field === "delayBeforeRetryMs" ? 0 : 0.000001;
		const micros = microsValue(word, { min, max: 1e6, otherwise: "it is passed over" }, statement, context);
		if (micros !== undefined) draft.timing[field] = micros / 1000;
	});

export const timingTable: DirectiveTable<TimingDraft> = {
	delay_loop: time("delayLoopMs"),
	connect_timeout: time("connectTimeoutMs"),
	delay_before_retry: time("delayBeforeRetryMs"),
	warmup: time("warmupMs"),
	retry: value((draft, word, statement, context) => {
		draft.timing.retry = wholeValue(
			word,
			{ min: 0, max: 2 ** 31 - 1, otherwise: "it is passed over" },
			statement,
			context,
		);
	}),
	alpha: toggle((draft, on) => {
		draft.timing.alpha = on;
	}),
};

const defaultsOf = (type: string): Pick<CheckTiming, "retry" | "delayBeforeRetryMs"> => {
	if (type === "dns") return { retry: 3, delayBeforeRetryMs: Number.NaN };
	if (type === "misc") return { retry: 0, delayBeforeRetryMs: 1000 };
	return { retry: 1, delayBeforeRetryMs: type === "http" ? 3000 : 1000 };
};

/** `levels`: the check, the real server, the virtual server. */
export function timingOf(type: string, ...levels: readonly TimingDraft["timing"][]): CheckTiming {
	const said = Object.assign({}, ...levels.map(definedFields).reverse()) as TimingDraft["timing"];
	const delayLoopMs = said.delayLoopMs ?? 60_000;
	const { retry, delayBeforeRetryMs } = defaultsOf(type);
	return {
		delayLoopMs,
		connectTimeoutMs: said.connectTimeoutMs ?? 5000,
		retry: said.retry ?? retry,
		delayBeforeRetryMs:
			said.delayBeforeRetryMs ?? (Number.isNaN(delayBeforeRetryMs) ? delayLoopMs : delayBeforeRetryMs),
		warmupMs: said.warmupMs ?? delayLoopMs,
		alpha: said.alpha ?? false,
	};
}

function definedFields(level: TimingDraft["timing"]): TimingDraft["timing"] {
	return Object.fromEntries(Object.entries(level).filter(([, field]) => field !== undefined));
}

/** 1 to 65535; undefined after an error. */
export function portValue(word: string | undefined, statement: Statement, context: BlockContext): number | undefined {
	if (word === undefined) return undefined;
	const port = /^\d{1,5}$/.test(word) ? Number(word) : 0;
	if (port >= 1 && port <= 65535) return port;
	error(context, statement, `${JSON.stringify(word)} is no port`, "write 1 to 65535");
	return undefined;
}
