// What each resource of the mesh is at its newest, by revision. In: entries of this replica and of others, in any order. Out: which
// of them were news. The newer entry of a resource wins wherever they meet, so replicas that were apart end with the same table.

import { compareRevisions, newerRevision, noRevision, type Revision } from "../model/revision.ts";
import type { ObjectKey } from "../resources/config-object.ts";

export interface ReplicaEntry {
	readonly key: ObjectKey;
	readonly revision: Revision;
	/** Hash of what the resource says; absent: it was deleted. */
	readonly hash?: string;
	/** The resource's document, where the other replica does not read the same files. */
	readonly text?: string;
}

/** Two leaders that could not hear each other may have counted alike: then all choose the same of the two. */
function isNewer(entry: ReplicaEntry, before: ReplicaEntry): boolean {
	const order = compareRevisions(before.revision, entry.revision);
	return order < 0 || (order === 0 && (entry.hash ?? "") > (before.hash ?? ""));
}

/** Deletions are remembered, so that a replica that was away does not bring the resource back; at most so many. */
const maxDeleted = 10_000;

export class ReplicaTable {
	readonly #entries = new Map<ObjectKey, ReplicaEntry>();
	#newest: Revision = noRevision;
	#deleted = 0;

	get newest(): Revision {
		return this.#newest;
	}

	get size(): number {
		return this.#entries.size;
	}

	get(key: ObjectKey): ReplicaEntry | undefined {
		return this.#entries.get(key);
	}

	/** Those that were newer than what was known. */
	take(entries: readonly ReplicaEntry[]): readonly ReplicaEntry[] {
		const news = entries.filter((entry) => {
			const before = this.#entries.get(entry.key);
			return !before || isNewer(entry, before);
		});
		for (const { text: _, ...entry } of news) {
			if (this.#entries.get(entry.key)?.hash === undefined && this.#entries.has(entry.key)) this.#deleted -= 1;
			if (entry.hash === undefined) this.#deleted += 1;
			this.#entries.set(entry.key, entry);
			this.#newest = newerRevision(this.#newest, entry.revision);
		}
		this.#forgetDeleted();
		return news;
	}

	/** A leader begins an epoch, or has said so. */
	reach(revision: Revision): void {
		this.#newest = newerRevision(this.#newest, revision);
	}

	/** Everything newer than `revision`, the oldest first. */
	since(revision: Revision): readonly ReplicaEntry[] {
		return [...this.#entries.values()]
			.filter((entry) => compareRevisions(entry.revision, revision) > 0)
			.sort((a, b) => compareRevisions(a.revision, b.revision));
	}

	entries(): Iterable<ReplicaEntry> {
		return this.#entries.values();
	}

	#forgetDeleted(): void {
		if (this.#deleted <= maxDeleted) return;
		const deleted = [...this.#entries.values()]
			.filter(({ hash }) => hash === undefined)
			.sort((a, b) => compareRevisions(a.revision, b.revision));
		for (const { key } of deleted.slice(0, deleted.length - maxDeleted / 2)) this.#entries.delete(key);
		this.#deleted = maxDeleted / 2;
	}
}
