// What one replica serves, beside what the table says that it should. In: each change as it comes into force here, and news of the
// table. Out: what differs, and how new the state is, as it is told with every response.

import { newerRevision, noRevision, type Revision, type RevisionLabel } from "../model/revision.ts";
import type { AnyObject, ObjectKey } from "../resources/config-object.ts";
import { type Change, keyOfChange } from "../snapshot/change.ts";
import { contentHash } from "../xds/content-hash.ts";
import type { ReplicaTable } from "./replica-table.ts";

const encoder = new TextEncoder();

/** Of what the resource says; where it stands does not count. */
export function hashOfObject({ apiVersion, kind, metadata, spec }: AnyObject): string {
	const { name, namespace, labels, annotations, createdMs } = metadata;
	const sorted = (record: Readonly<Record<string, string>>) =>
		Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
	const said = [apiVersion, kind, namespace, name, sorted(labels), sorted(annotations), createdMs, spec];
	return contentHash(encoder.encode(JSON.stringify(said)));
}

export class AppliedState {
	readonly #table: ReplicaTable;
	readonly #hashes = new Map<ObjectKey, string>();
	readonly #differing = new Set<ObjectKey>();
	#has: Revision = noRevision;

	constructor(table: ReplicaTable) {
		this.#table = table;
	}

	/** Keys whose content here is another one than the table's. */
	get differing(): ReadonlySet<ObjectKey> {
		return this.#differing;
	}

	/** Undefined: there is no such resource here. */
	hashOf(key: ObjectKey): string | undefined {
		return this.#hashes.get(key);
	}

	/** The keys that are other than the table says. */
	apply(changes: readonly Change[]): readonly ObjectKey[] {
		for (const change of changes) {
			if (change.type === "objectApplied") this.#hashes.set(keyOfChange(change), hashOfObject(change.object));
			else this.#hashes.delete(change.key);
		}
		return this.compare(changes.map(keyOfChange));
	}

	/** The table may say something else of these. Returns those that differ now. */
	compare(keys: Iterable<ObjectKey>): readonly ObjectKey[] {
		const found: ObjectKey[] = [];
		for (const key of keys) {
			if (this.#hashes.get(key) === this.#table.get(key)?.hash) this.#differing.delete(key);
			else {
				this.#differing.add(key);
				found.push(key);
			}
		}
		if (this.#differing.size === 0) this.#has = this.#table.newest;
		return found;
	}

	label(): RevisionLabel {
		const { newest } = this.#table;
		if (this.#differing.size === 0) return { has: newest, mayHave: newest };
		// A change that the leader has not counted yet.
		const mayHave = { epoch: newest.epoch, counter: newest.counter + 1 };
		return { has: this.#has, mayHave: newerRevision(newest, mayHave) };
	}
}
