// What a replica knew when it ended: the table of revisions, without the resources themselves, which are in their own files. A
// file that cannot be read is as none: the epoch of the next leader is above the time in any case.

import { readFileSync } from "node:fs";
import { parseRevision } from "../../../model/revision.ts";
import { entriesMessage, entriesOf, type ReplicaEntries } from "../../../replicas/replica-message.ts";
import type { ReplicaTable } from "../../../replicas/replica-table.ts";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import { replaceFile } from "../../../runtime/durable-file.ts";
import type { Log } from "../../../runtime/log.ts";

const format = 1;
const saveAfterMs = 500;

export class ReplicaStateFile {
	readonly #path: string | undefined;
	readonly #table: ReplicaTable;
	readonly #parts: { readonly clock: Clock; readonly log: Log };
	#cancel: Cancel | undefined;

	/** Without a path nothing is kept. */
	constructor(path: string | undefined, table: ReplicaTable, parts: { readonly clock: Clock; readonly log: Log }) {
		this.#path = path;
		this.#table = table;
		this.#parts = parts;
	}

	load(): void {
		if (this.#path === undefined) return;
		try {
			const read = JSON.parse(readFileSync(this.#path, "utf8")) as ReplicaEntries & { readonly format: number };
			if (read.format !== format) throw new Error(`it has format ${read.format}, and ${format} is read here`);
			this.#table.take(entriesOf(read));
			this.#table.reach(parseRevision(read.newest) ?? this.#table.newest);
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
			this.#parts.log.warn({ file: this.#path, because: String(error) }, "what this replica knew cannot be read");
		}
	}

	saveSoon(): void {
		this.#cancel ??= this.#parts.clock.after(saveAfterMs, () => this.save(false));
	}

	/** `lasting`: it is there also after a loss of power. */
	save(lasting = true): void {
		this.#cancel?.();
		this.#cancel = undefined;
		if (this.#path === undefined) return;
		const message = entriesMessage("", this.#table.newest, [...this.#table.entries()]);
		try {
			replaceFile(this.#path, `${JSON.stringify({ format, ...message })}\n`, lasting);
		} catch (error) {
			this.#parts.log.warn({ file: this.#path, because: String(error) }, "what this replica knows cannot be kept");
		}
	}
}
