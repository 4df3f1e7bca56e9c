// What control planes say to each other, as JSON: what they are and how new their state is, entries of the table, and writes that
// are for the leader. Bytes of another replica that do not fit are no message.

import { parseRevision, type Revision, renderRevision } from "../model/revision.ts";
import type { ReplicaEntry } from "./replica-table.ts";

export const replicaPaths = {
	hello: "/keepmesh.control.v1.Replicas/Hello",
	take: "/keepmesh.control.v1.Replicas/Take",
	state: "/keepmesh.control.v1.Replicas/State",
	write: "/keepmesh.control.v1.Replicas/Write",
} as const;

export interface ReplicaHello {
	readonly id: string;
	/** Another one after each start. */
	readonly run: string;
	/** Where nodes reach it: `host:port`. */
	readonly xds: string;
	/** Its epoch, while it takes writes. */
	readonly leads?: number;
	/** Everything up to here is in what it serves. */
	readonly has: string;
	/** The newest that it knows of. */
	readonly knows: string;
	/** It serves no longer than its streams take to go elsewhere. */
	readonly leaves?: true;
}

export interface ReplicaWrite {
	readonly method: "PUT" | "POST" | "DELETE";
	/** The route, with its parameters in braces. */
	readonly route: string;
	readonly path: Readonly<Record<string, string>>;
	readonly query: string;
	readonly body: string;
}

export type ReplicaWriteAnswer =
	| { readonly type: "answered"; readonly status: number; readonly json: unknown }
	| { readonly type: "failed"; readonly status: number; readonly error: string; readonly next: string }
	/** Nothing was done. */
	| { readonly type: "notLeader" };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeReplicaMessage(message: object): Uint8Array {
	return encoder.encode(JSON.stringify(message));
}

/** Undefined: no JSON object. */
export function decodeReplicaMessage<Message extends object>(bytes: Uint8Array): Message | undefined {
	try {
		const value: unknown = JSON.parse(decoder.decode(bytes));
		return typeof value === "object" && value !== null ? (value as Message) : undefined;
	} catch {
		return undefined;
	}
}

/** `[key, revision, hash, text]`; an empty hash: deleted. */
type EntryRow = readonly [string, string, string, string?];

export interface ReplicaEntries {
	/** Who says it. */
	readonly from: string;
	readonly newest: string;
	/** Whoever knows less than this has missed something; absent: these are all entries. */
	readonly since?: string;
	readonly rows: readonly EntryRow[];
}

export function entriesMessage(
	from: string,
	newest: Revision,
	entries: readonly ReplicaEntry[],
	since?: Revision,
): ReplicaEntries {
	const rows = entries.map(({ key, revision, hash = "", text }): EntryRow => {
		const row = [key, renderRevision(revision), hash] as const;
		return text === undefined ? row : [...row, text];
	});
	return { from, newest: renderRevision(newest), ...(since ? { since: renderRevision(since) } : {}), rows };
}

/** Rows that do not fit are left out. */
export function entriesOf(message: ReplicaEntries): readonly ReplicaEntry[] {
	if (!Array.isArray(message.rows)) return [];
	return message.rows.flatMap((row): readonly ReplicaEntry[] => {
		const [key, revisionText, hash, text]: readonly unknown[] = Array.isArray(row) ? row : [];
		const revision = typeof revisionText === "string" ? parseRevision(revisionText) : undefined;
		if (typeof key !== "string" || typeof hash !== "string" || !revision) return [];
		return [
			{
				key,
				revision,
				...(hash === "" ? {} : { hash }),
				...(typeof text === "string" ? { text } : {}),
			},
		];
	});
}
