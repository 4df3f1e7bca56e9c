// What an API server said last, as lines of text: for the process that comes after this one and cannot ask. In: what the ledger
// holds. Out: lines of JSON, the last of which says that all are there; and back. Only the version that wrote them reads them.

import type { AnyObject, Kind, ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { SeenObject } from "./api-ledger.ts";
import { apiOrigin } from "./read-api-object.ts";
import type { WatchedKind } from "./watched-kinds.ts";

/** An object as it is in force, and what is wrong with its newest version. */
export interface RecordedObject extends SeenObject {
	readonly key: ObjectKey;
	/** Undefined: no version of it was ever good. */
	readonly object: AnyObject | undefined;
	readonly problems: readonly Problem[];
}

/** A kind that somebody installed, by the name of its CustomResourceDefinition. */
export interface RecordedDefinition {
	readonly name: string;
	readonly watched: WatchedKind;
}

export interface SourceRecord {
	/** `https://10.96.0.1:443` */
	readonly server: string;
	readonly definitions: readonly RecordedDefinition[];
	readonly objects: readonly RecordedObject[];
}

interface Head {
	readonly format: 1;
	/** Of Keepmesh: another one may read resources differently. */
	readonly version: string;
	readonly server: string;
	readonly definitions: readonly RecordedDefinition[];
}

export function* renderRecord({ definitions, objects, server }: SourceRecord, version: string): Generator<string> {
	const head: Head = { format: 1, version, server, definitions };
	yield `${JSON.stringify(head)}\n`;
	for (const { object, problems, ...seen } of objects) {
		// All of them stand at the same place.
		const bare = { ...seen, object: object && { ...object, origin: undefined } };
		yield `${JSON.stringify(problems.length === 0 ? bare : { ...bare, problems })}\n`;
	}
	yield `${JSON.stringify({ end: objects.length })}\n`;
}

/** Throws when the text is not whole, or not this version's. */
export function parseRecord(text: string, version: string): SourceRecord {
	const lines = text.split("\n");
	const head = JSON.parse(lines[0] ?? "") as Head;
	if (head.format !== 1 || head.version !== version) throw new Error(`version ${head.version} wrote it`);
	const { end } = JSON.parse(lines.at(-2) ?? "") as { readonly end?: number };
	const objects = lines.slice(1, -2).map(readObjectLine);
	if (end !== objects.length) throw new Error("it is cut off");
	return { server: head.server, definitions: head.definitions, objects };
}

const noProblems: readonly Problem[] = [];

function readObjectLine(line: string): RecordedObject {
	const { generation, key, object, problems, uid, version } = JSON.parse(line) as RecordedObject;
	return {
		key,
		uid,
		version,
		generation,
		object: object && ({ ...object, origin: apiOrigin } as AnyObject),
		problems: problems?.map((problem) => ({ ...problem, origin: apiOrigin })) ?? noProblems,
	};
}

/** The kind of what a key names. */
export function kindOfKey(key: ObjectKey): Kind {
	return key.slice(0, key.indexOf("/")) as Kind;
}
