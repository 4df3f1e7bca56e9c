// Reads configuration: the texts of YAML and JSON files come in, checked resources and everything that is wrong go out.
// A broken document is left out and reported; all the others are kept.

import { type AnyObject, keyOf, type ObjectKey } from "./config-object.ts";
import { type Finding, type Path, renderPath } from "./findings.ts";
import type { Origin, Problem } from "./problem.ts";
import { type ObjectDefaults, readObject } from "./read-object.ts";
import { isMapping } from "./shapes/check-shape.ts";
import { readDocuments, type SourceDocument } from "./text/read-documents.ts";

export interface ReadOptions {
	/** Namespace of namespaced resources that name none. Default `default`. */
	readonly defaultNamespace?: string;
}

export interface ReadResult {
	readonly objects: readonly AnyObject[];
	readonly problems: readonly Problem[];
}

/** When several documents define one resource the last one counts, as with `kubectl apply`, and a problem says so. */
export function readResources(
	files: readonly { readonly path: string; readonly text: string }[],
	options: ReadOptions = {},
): ReadResult {
	const results = files.map((file) => readResourceFile(file.path, file.text, options));
	const all = results.flatMap((result) => result.objects);
	const { objects, problems } = results.length > 1 ? keepLast(all) : { objects: all, problems: [] };
	return { objects, problems: [...results.flatMap((result) => result.problems), ...problems] };
}

export function readResourceFile(path: string, text: string, options: ReadOptions = {}): ReadResult {
	const defaults: ObjectDefaults = { namespace: options.defaultNamespace ?? "default" };
	const objects: AnyObject[] = [];
	const problems: Problem[] = [];
	for (const document of readDocuments(path, text)) readDocument({ path, document, defaults, objects, problems });
	const last = keepLast(objects);
	return { objects: last.objects, problems: [...problems, ...last.problems] };
}

interface Reading {
	readonly path: string;
	readonly document: SourceDocument;
	readonly defaults: ObjectDefaults;
	readonly objects: AnyObject[];
	readonly problems: Problem[];
}

function readDocument(reading: Reading): void {
	const { document, path } = reading;
	if (!document.result.ok) {
		const { message, hint, place } = document.result;
		reading.problems.push({
			severity: "error",
			origin: { file: path, ...place },
			resource: "",
			path: "",
			message,
			hint,
		});
		return;
	}
	const { value } = document.result;
	if (value === null || value === undefined) return;
	const items = listItems(value);
	if (!items) {
		readOne(reading, value, reading.defaults, [], document.start);
		return;
	}
	items.entries.forEach((item, index) => {
		const itemPath = ["items", index];
		const place = document.itemPlace?.(index) ?? document.locate(itemPath);
		readOne(reading, item, { ...reading.defaults, ...items.defaults }, itemPath, place);
	});
}

function readOne(
	reading: Reading,
	value: unknown,
	defaults: ObjectDefaults,
	base: Path,
	start: { readonly line: number; readonly column: number },
): void {
	const origin: Origin = { file: reading.path, line: start.line, column: start.column };
	const read = readObject(value, defaults, origin);
	if (read.object) reading.objects.push(read.object);
	for (const finding of read.findings) {
		const place = finding.path.length === 0 ? start : reading.document.locate([...base, ...finding.path]);
		reading.problems.push(problemOf(finding, read.resource, { file: reading.path, ...place }));
	}
}

function problemOf(finding: Finding, resource: string, origin: Origin): Problem {
	const { severity, message, hint, code } = finding;
	const path = renderPath(finding.path);
	return { severity, origin, resource, path, message, hint, ...(code === undefined ? {} : { code }) };
}

/** The entries of a `List`, or of a typed list like `ServiceList`, whose entries need not repeat their kind. */
function listItems(
	value: unknown,
): { readonly entries: readonly unknown[]; readonly defaults: Partial<ObjectDefaults> } | undefined {
	if (!isMapping(value)) return undefined;
	const { kind, apiVersion, items } = value;
	if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items)) return undefined;
	if (kind === "List" || typeof apiVersion !== "string") return { entries: items, defaults: {} };
	return { entries: items, defaults: { kind: kind.slice(0, -"List".length), apiVersion } };
}

function keepLast(objects: readonly AnyObject[]): ReadResult {
	const byKey = new Map<ObjectKey, AnyObject>();
	const problems: Problem[] = [];
	for (const object of objects) {
		const key = keyOf(object);
		const earlier = byKey.get(key);
		if (earlier) {
			problems.push(replacedBy(earlier, object));
			// Keep the place in the order that the winner has.
			byKey.delete(key);
		}
		byKey.set(key, object);
	}
	return { objects: byKey.size === objects.length ? objects : [...byKey.values()], problems };
}

function replacedBy(earlier: AnyObject, later: AnyObject): Problem {
	const { kind, metadata, origin } = earlier;
	return {
		severity: "warning",
		origin,
		resource: metadata.namespace === "" ? `${kind} ${metadata.name}` : `${kind} ${metadata.namespace}/${metadata.name}`,
		path: "metadata.name",
		message: `is defined again in ${later.origin.file}:${later.origin.line}, which wins`,
		hint: "remove or rename one of the two",
	};
}
