// The lab's own file, lab.yaml: which local command stands for which image. In: its text, parsed. Out: rules or problems.

import type { ImageRule } from "./image-map.ts";

export type ParsedLabFile =
	| { readonly ok: true; readonly images: readonly ImageRule[] }
	| { readonly ok: false; readonly problems: readonly string[] };

export function parseLabFile(value: unknown): ParsedLabFile {
	if (value === null || value === undefined) return { ok: true, images: [] };
	const problems: string[] = [];
	const images: ImageRule[] = [];
	const entries = isRecord(value) ? (value.images ?? []) : undefined;
	if (!Array.isArray(entries)) return { ok: false, problems: [`images: expected a list of {match, command, env}`] };
	entries.forEach((entry: unknown, index) => {
		const path = `images[${index}]`;
		if (!isRecord(entry)) {
			problems.push(`${path}: expected {match: "*/name:*", command: [...]}`);
			return;
		}
		const { match, command, env = {}, useContainerCommand = false } = entry;
		if (typeof match !== "string" || match === "") problems.push(`${path}.match: expected a text such as "*/name:*"`);
		else if (!isTexts(command) || command.length === 0)
			problems.push(`${path}.command: expected a list of texts such as [node, server.js]`);
		else if (!isRecord(env) || !Object.values(env).every((item) => typeof item === "string"))
			problems.push(`${path}.env: expected texts by name; numbers need quotes`);
		else if (typeof useContainerCommand !== "boolean")
			problems.push(`${path}.useContainerCommand: expected true or false`);
		else images.push({ match, command, env: env as Readonly<Record<string, string>>, useContainerCommand });
	});
	return problems.length > 0 ? { ok: false, problems } : { ok: true, images };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
	return Array.isArray(value) && value.every((item) => typeof item === "string");
}
