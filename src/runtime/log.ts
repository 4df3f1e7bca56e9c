// One event, one line of JSON on stderr (pino). Code takes a Log; only app/ makes one.

import pino from "pino";

/** Facts first, then what happened in a few constant words, so that lines can be grouped by message. */
export interface Log {
	debug(facts: object, message: string): void;
	info(facts: object, message: string): void;
	warn(facts: object, message: string): void;
	error(facts: object, message: string): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LogOptions {
	/** Default `info`. */
	readonly level?: LogLevel;
	/** Facts on every line, like `{part: "xds"}`. */
	readonly facts?: object;
}

/** Writes JSON lines to stderr, so that stdout stays free for what a command prints. */
export function startLog(options: LogOptions = {}): Log {
	return pino(
		{
			level: options.level ?? "info",
			base: { ...options.facts },
			timestamp: pino.stdTimeFunctions.isoTime,
			formatters: { level: (label) => ({ level: label }) },
		},
		pino.destination({ dest: 2, sync: true }),
	);
}

const nothing = (): void => {};

/** For tests and benchmarks. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
