// The same lines as log.ts writes, without its library, for processes that must stay small and may never wait: a line that the
// reader of a pipe is not ready for is dropped, and the next one says how many were.

import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { Log, LogLevel } from "./log.ts";

export interface LineLogOptions {
	/** Default `info`. */
	readonly level?: LogLevel;
	readonly facts?: object;
	/** Default: stderr. */
	readonly write?: (line: string) => boolean;
}

const levels: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

export function startLineLog(options: LineLogOptions = {}): Log {
	const lowest = levels.indexOf(options.level ?? "info");
	const write = options.write ?? openStderr();
	let dropped = 0;
	const logAt = (level: LogLevel) => {
		if (levels.indexOf(level) < lowest) return () => {};
		return (facts: object, msg: string): void => {
			const lost = dropped > 0 ? { droppedLines: dropped } : {};
			const line = { level, time: new Date().toISOString(), ...options.facts, ...facts, ...lost, msg };
			if (write(`${JSON.stringify(line)}\n`)) dropped = 0;
			else dropped++;
		};
	};
	return { debug: logAt("debug"), info: logAt("info"), warn: logAt("warn"), error: logAt("error") };
}

/** Opened anew, as an own description, so that not to wait is a setting of ours alone; impossible for sockets (the journal's). */
function openStderr(): (line: string) => boolean {
	let file = 2;
	try {
		file = openSync("/proc/self/fd/2", constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
		process.once("exit", () => closeSync(file));
	} catch {
		file = 2;
	}
	return (line) => {
		try {
			return writeSync(file, line) > 0;
		} catch {
			return false;
		}
	};
}
