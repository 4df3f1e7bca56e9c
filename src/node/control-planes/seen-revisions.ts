// The newest revision of the mesh's configuration that came for each proxy of this node. On disk, so that an Envoy or an agent that
// starts again is not given anything older.

import { readFileSync } from "node:fs";
import { parseRevision, type Revision, renderRevision } from "../../model/revision.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RelayRevisions } from "../../xds/wire/relay-options.ts";
import { writeFileAtomic } from "../atomic-file.ts";

const saveAfterMs = 1_000;

export class SeenRevisions implements RelayRevisions {
	readonly #file: string;
	readonly #parts: { readonly clock: Clock; readonly log: Log };
	readonly #seen: Map<string, Revision>;
	#cancel: Cancel | undefined;
	#saving: Promise<void> = Promise.resolve();

	constructor(file: string, parts: { readonly clock: Clock; readonly log: Log }) {
		this.#file = file;
		this.#parts = parts;
		this.#seen = new Map(readSeen(file));
	}

	of(proxyId: string): Revision | undefined {
		return this.#seen.get(proxyId);
	}

	onSeen(proxyId: string, seen: Revision): void {
		this.#seen.set(proxyId, seen);
		this.#cancel ??= this.#parts.clock.after(saveAfterMs, () => this.#save());
	}

	forget(proxyId: string): void {
		if (this.#seen.delete(proxyId)) this.#cancel ??= this.#parts.clock.after(saveAfterMs, () => this.#save());
	}

	/** Prometheus' text format. */
	metrics(): string {
		const lines = [
			"# HELP keepmesh_node_config_epoch Epoch of the newest configuration that came for a proxy.",
			"# TYPE keepmesh_node_config_epoch gauge",
			...[...this.#seen].map(([proxy, { epoch }]) => `keepmesh_node_config_epoch{proxy="${proxy}"} ${epoch}`),
			"# HELP keepmesh_node_config_counter Number of that configuration within its epoch.",
			"# TYPE keepmesh_node_config_counter gauge",
			...[...this.#seen].map(([proxy, { counter }]) => `keepmesh_node_config_counter{proxy="${proxy}"} ${counter}`),
		];
		return this.#seen.size === 0 ? "" : `${lines.join("\n")}\n`;
	}

	close(): Promise<void> {
		if (this.#cancel) this.#save();
		return this.#saving;
	}

	#save(): void {
		this.#cancel?.();
		this.#cancel = undefined;
		const text = JSON.stringify(Object.fromEntries([...this.#seen].map(([id, seen]) => [id, renderRevision(seen)])));
		this.#saving = this.#saving
			.then(() => writeFileAtomic(this.#file, text))
			.catch((error: unknown) =>
				this.#parts.log.warn({ because: String(error) }, "the revisions of the proxies could not be kept"),
			);
	}
}

/** A file that is not whole is as none: the next control plane is believed. */
function readSeen(file: string): readonly (readonly [string, Revision])[] {
	try {
		const read: unknown = JSON.parse(readFileSync(file, "utf8"));
		if (typeof read !== "object" || read === null) return [];
		return Object.entries(read).flatMap(([id, text]) => {
			const seen = typeof text === "string" ? parseRevision(text) : undefined;
			return seen ? [[id, seen] as const] : [];
		});
	} catch {
		return [];
	}
}
