// What replicas that do not read the same files hand to each other: the documents of resources.

import type { ReplicaHello } from "../../../replicas/replica-message.ts";
import type { ReplicaEntry } from "../../../replicas/replica-table.ts";
import type { ObjectKey } from "../../../resources/config-object.ts";

/** The resources of this replica, as far as the group has to do with them. */
export interface ReplicaFiles {
	/** True when the other replica reads the same files: then nothing is carried between them. */
	isSharedWith(peer: ReplicaHello): boolean;
	/** The documents of these resources, as they are now. */
	textsOf(keys: readonly ObjectKey[]): Promise<ReadonlyMap<ObjectKey, string>>;
	/** Makes this replica's files say what the entries do, and resolves when they are in force. */
	write(entries: readonly ReplicaEntry[]): Promise<void>;
	/** Resolves when the files as they are now are in force. */
	rescan(): Promise<void>;
}

export async function withTexts(
	files: ReplicaFiles,
	entries: readonly ReplicaEntry[],
): Promise<readonly ReplicaEntry[]> {
	const alive = entries.filter(({ hash }) => hash !== undefined).map(({ key }) => key);
	const texts = alive.length === 0 ? new Map<ObjectKey, string>() : await files.textsOf(alive);
	return entries.map((entry) => {
		const text = texts.get(entry.key);
		return text === undefined ? entry : { ...entry, text };
	});
}
