// The newest revision of the mesh's configuration that came for each proxy of this node, from each group of control planes that
// share one state. On disk, so that an Envoy or an agent that starts again is not given anything older.

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

	/** `group`: empty where there is but one. */
	of(proxyId: string, group = ""): Revision | undefined {
		return this.#seen.get(keyOf(proxyId, group));
	}

	onSeen(proxyId: string, seen: Revision, group = ""): void {
		this.#seen.set(keyOf(proxyId, group), seen);
		this.#cancel ??= this.#parts.clock.after(saveAfterMs, () => this.#save());
	}

	forget(proxyId: string): void {
		let isKnown = false;
		for (const key of this.#seen.keys())
			if (key.split(separator, 1)[0] === proxyId && this.#seen.delete(key)) isKnown = true;
		if (isKnown) this.#cancel ??= this.#parts.clock.after(saveAfterMs, () => this.#save());
	}

	/** Prometheus' text format. */
	metrics(): string {
		const lines = [
			"# HELP keepmesh_node_config_epoch Epoch of the newest configuration that came for a proxy.",
			"# TYPE keepmesh_node_config_epoch gauge",
			...[...this.#seen].map(([key, { epoch }]) => `keepmesh_node_config_epoch{${labelsOf(key)}} ${epoch}`),
			"# HELP keepmesh_node_config_counter Number of that configuration within its epoch.",
			"# TYPE keepmesh_node_config_counter gauge",
			...[...this.#seen].map(([key, { counter }]) => `keepmesh_node_config_counter{${labelsOf(key)}} ${counter}`),
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

const separator = " ";

const keyOf = (proxyId: string, group: string): string => (group === "" ? proxyId : `${proxyId}${separator}${group}`);

function labelsOf(key: string): string {
	const [proxy, group] = key.split(separator);
	return group === undefined ? `proxy="${proxy}"` : `proxy="${proxy}",revision="${group}"`;
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
