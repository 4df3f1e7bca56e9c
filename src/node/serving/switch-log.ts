// The switches of this node's pods, the newest some hundred of them, kept in a file as one JSON object a line: the next agent
// has them too. A line that cannot be read is passed over.

import { appendFileSync, readFileSync } from "node:fs";
import { recordOf } from "../../hotswitch/serving-report-codec.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import { replaceFile } from "../../runtime/durable-file.ts";
import type { Log } from "../../runtime/log.ts";

export interface SwitchLogOptions {
	readonly file: string;
	readonly node: string;
	/** When this agent began, in milliseconds since the epoch: part of the records' ids. */
	readonly agentMs: number;
	/** Default 500. */
	readonly keep?: number;
}

export class SwitchLog {
	readonly #options: SwitchLogOptions;
	readonly #keep: number;
	readonly #log: Log;
	#records: readonly SwitchRecord[];
	/** How many there were before those that are kept; with the length it counts all. */
	#dropped = 0;
	#linesInFile: number;

	constructor(options: SwitchLogOptions, log: Log) {
		this.#options = options;
		this.#keep = options.keep ?? 500;
		this.#log = log;
		const lines = linesOf(options.file);
		this.#linesInFile = lines.length;
		this.#records = lines.flatMap(recordIn).slice(-this.#keep);
	}

	/** Oldest first. */
	get records(): readonly SwitchRecord[] {
		return this.#records;
	}

	/** Of all that were ever added here or found in the file. */
	get count(): number {
		return this.#dropped + this.#records.length;
	}

	/** Those that came after the first `count`, as far as they are kept. */
	since(count: number): readonly SwitchRecord[] {
		return this.#records.slice(Math.max(0, count - this.#dropped));
	}

	add(what: Omit<SwitchRecord, "id" | "node">): SwitchRecord {
		const { agentMs, node } = this.#options;
		const record: SwitchRecord = { id: `${node}/${agentMs}/${this.count + 1}`, node, ...what };
		const dropped = Math.max(0, this.#records.length + 1 - this.#keep);
		this.#dropped += dropped;
		this.#records = [...this.#records.slice(dropped), record];
		this.#write(record);
		return record;
	}

	#write(record: SwitchRecord): void {
		const { file } = this.#options;
		const line = `${JSON.stringify(record)}\n`;
		try {
			if (this.#linesInFile < 2 * this.#keep) {
				appendFileSync(file, line, { mode: 0o600 });
				this.#linesInFile++;
				return;
			}
			replaceFile(file, this.#records.map((one) => `${JSON.stringify(one)}\n`).join(""), false);
			this.#linesInFile = this.#records.length;
		} catch (error) {
			this.#log.warn({ file, because: String(error) }, "a switch was not written down");
		}
	}
}

function linesOf(file: string): readonly string[] {
	try {
		return readFileSync(file, "utf8")
			.split("\n")
			.filter((line) => line !== "");
	} catch {
		return [];
	}
}

function recordIn(line: string): readonly SwitchRecord[] {
	try {
		return [recordOf(JSON.parse(line), "a line")];
	} catch {
		return [];
	}
}
