// The names that this machine's DNS answers, gathered from the tables of its proxies and kept in a file that the DNS process
// follows. After a restart the old names stay until every proxy has delivered its table again.

import { readFileSync } from "node:fs";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { decodeNameTable } from "../xds/name-table-codec.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { mergeNameTables, parseNameTableFile } from "./dns/name-index.ts";

type Table = ReadonlyMap<string, { readonly ips: readonly string[] }>;

/** Sorts after every proxy id, so that fresh tables decide. */
const earlierKey = "~earlier";
/** Names of an earlier agent are dropped after this time, even when a proxy never delivered. */
const earlierMaxMs = 60_000;
const settleMs = 20;

export class NameTables {
	readonly #path: string;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #tables = new Map<string, Table>();
	readonly #awaited = new Set<string>();
	#written = "";
	#pending: Cancel | undefined;
	#cancelEarlier: Cancel = () => {};
	#writing: Promise<void> = Promise.resolve();

	constructor(path: string, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
		this.#path = path;
		this.#clock = clock;
		this.#log = log;
	}

	/** Reads what an earlier agent wrote. */
	open(): void {
		let text = "";
		try {
			text = readFileSync(this.#path, "utf8");
		} catch {
			// The first start.
		}
		const file = parseNameTableFile(text);
		if (file) {
			this.#written = text;
			this.#tables.set(earlierKey, new Map(Object.entries(file.names).map(([name, ips]) => [name, { ips }])));
			this.#cancelEarlier = this.#clock.after(earlierMaxMs, () => this.#dropEarlier());
		}
	}

	/** A proxy whose table is to be expected. */
	expect(proxyId: string): void {
		this.#awaited.add(proxyId);
	}

	/** An encoded NameTable as the control plane sent it. */
	receive(proxyId: string, bytes: Uint8Array): void {
		const table = decodeNameTable(bytes);
		if (!table) {
			this.#log.error({ proxyId }, "name table is not readable; the names of before stay");
			return;
		}
		this.#tables.set(proxyId, table);
		this.#awaited.delete(proxyId);
		if (this.#awaited.size === 0) this.#tables.delete(earlierKey);
		this.#schedule();
	}

	forget(proxyId: string): void {
		this.#awaited.delete(proxyId);
		if (this.#tables.delete(proxyId)) this.#schedule();
	}

	close(): void {
		this.#pending?.();
		this.#cancelEarlier();
	}

	#dropEarlier(): void {
		if (this.#tables.delete(earlierKey)) this.#schedule();
	}

	#schedule(): void {
		this.#pending ??= this.#clock.after(settleMs, () => {
			this.#pending = undefined;
			const text = `${JSON.stringify(mergeNameTables(this.#tables), undefined, 1)}\n`;
			if (text === this.#written) return;
			this.#written = text;
			// Readable for the DNS process, which is not root.
			this.#writing = this.#writing
				.then(() => writeFileAtomic(this.#path, text, 0o644))
				.catch((error: unknown) => this.#log.error({ error: String(error) }, "name table could not be written"));
		});
	}
}
