// Writes resources into directories of files: one file for each new resource, and in place where a file already holds it.
// Every file is replaced whole by rename, so a reader sees the old or the new one, never half of it.

import { open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parse, stringify } from "yaml";
import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import { splitYaml } from "../../resources/text/split-yaml.ts";

/** One resource with the text that says it: a YAML document of its own. */
export interface ResourceText {
	readonly object: AnyObject;
	readonly text: string;
}

export type WriteOutcome =
	| { readonly ok: true; readonly file: string }
	| { readonly ok: false; readonly because: "sharedDocument" | "notFound"; readonly file: string };

/** `VirtualService.default.reviews.yaml` */
export function managedFileName(object: AnyObject): string {
	const { kind, metadata } = object;
	return `${[kind, metadata.namespace, metadata.name].filter((part) => part !== "").join(".")}.yaml`;
}

/** The accepted resources of a text, each with its own document. Entries of a List become documents. */
export function resourceTexts(file: string, text: string, defaultNamespace: string): readonly ResourceText[] {
	const found: ResourceText[] = [];
	for (const part of splitYaml(text)) {
		const { objects } = readResourceFile(file, part.text, { defaultNamespace });
		const value: unknown = parse(part.text);
		const isList = isRecord(value) && Array.isArray(value.items) && objects.length !== 1;
		const entries = isList ? (value.items as unknown[]) : [value];
		for (const object of objects) {
			const entry = entries.find((candidate) => isOf(candidate, object)) ?? entries[0];
			const written = withNamespace(entry, object);
			const isVerbatim = !isList && written === value && !/^\s*[{[]/.test(part.text);
			const body = isVerbatim ? part.text.replace(/^---[^\n]*\n/, "") : stringify(written);
			found.push({ object, text: body.endsWith("\n") ? body : `${body}\n` });
		}
	}
	return found;
}

/** `existingFile`: the file that holds the resource now, if there is one. */
export async function writeResource(
	directory: string,
	resource: ResourceText,
	existingFile: string | undefined,
): Promise<WriteOutcome> {
	const own = join(directory, managedFileName(resource.object));
	if (existingFile === undefined || existingFile === own) {
		await replaceFile(own, resource.text, isSecret(resource.object));
		return { ok: true, file: own };
	}
	return await editDocument(existingFile, keyOf(resource.object), resource.text);
}

export async function removeResource(file: string, key: ObjectKey): Promise<WriteOutcome> {
	return await editDocument(file, key, undefined);
}

/** Replaces, or takes out, the document that holds the resource; a file left without documents is removed. */
async function editDocument(file: string, key: ObjectKey, text: string | undefined): Promise<WriteOutcome> {
	const whole = await readFile(file, "utf8");
	const parts = splitYaml(whole);
	const index = parts.findLastIndex((part) =>
		readResourceFile(file, part.text).objects.some((object) => keyOf(object) === key),
	);
	const part = parts[index];
	if (!part) return { ok: false, because: "notFound", file };
	if (readResourceFile(file, part.text).objects.length > 1) return { ok: false, because: "sharedDocument", file };
	const lines = whole.split("\n");
	const start = part.line - 1;
	const count = part.text.replace(/\n$/, "").split("\n").length;
	const replacement = text === undefined ? [] : ["---", ...text.replace(/\n$/, "").split("\n")];
	if (start === 0 && text !== undefined && !whole.startsWith("---")) replacement.shift();
	lines.splice(start, count, ...replacement);
	const next = lines.join("\n");
	if (text === undefined && splitYaml(next).length === 0) await rm(file, { force: true });
	else await replaceFile(file, next.endsWith("\n") ? next : `${next}\n`, false);
	return { ok: true, file };
}

async function replaceFile(file: string, text: string, isPrivate: boolean): Promise<void> {
	const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
	const handle = await open(temporary, "w", isPrivate ? 0o600 : 0o644);
	try {
		await handle.writeFile(text);
		await handle.datasync();
	} finally {
		await handle.close();
	}
	await rename(temporary, file);
}

function isSecret(object: AnyObject): boolean {
	return object.kind === "Secret";
}

function isOf(value: unknown, object: AnyObject): boolean {
	if (!isRecord(value) || !isRecord(value.metadata)) return false;
	const kind = value.kind ?? object.kind;
	return kind === object.kind && value.metadata.name === object.metadata.name;
}

/** The namespace that the reader filled in becomes part of the text, so that the file means the same everywhere. */
function withNamespace(value: unknown, object: AnyObject): unknown {
	if (!isRecord(value) || !isRecord(value.metadata) || object.metadata.namespace === "") return value;
	if (value.metadata.namespace !== undefined || object.metadata.namespace === "default") return value;
	return { ...value, metadata: { ...value.metadata, namespace: object.metadata.namespace } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
