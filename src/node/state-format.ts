// The form of the files in a node's state directory. In: the directory, at each start. Out: it may be used, and says which program did so
// last; or it is newer than this program can read. A program reads the forms of all programs before it; whoever changes a file so
// that the one before would misread it counts stateFormat up.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "./atomic-file.ts";

/**
 * 1: without this file. 2: pods' records tell which of two places the Envoy has, and what stands beside it.
 */
export const stateFormat = 2;

export type StateUsable =
	| { readonly ok: true; readonly before: { readonly format: number; readonly program: string } | undefined }
	| { readonly ok: false; readonly because: string };

/** Without a file, or with one that is no JSON, the form is 1. */
export async function useState(state: string, program: string): Promise<StateUsable> {
	const file = join(state, "format.json");
	const before = read(file);
	if (before && before.format > stateFormat) {
		const because = `${state} was written by Keepmesh ${before.program}, in a form (${before.format}) that this one, ${program}, cannot read; it reads up to ${stateFormat}`;
		return { ok: false, because };
	}
	if (before?.format !== stateFormat || before.program !== program)
		await writeFileAtomic(file, `${JSON.stringify({ format: stateFormat, program })}\n`, 0o644);
	return { ok: true, before };
}

function read(file: string): { readonly format: number; readonly program: string } | undefined {
	try {
		const { format, program } = JSON.parse(readFileSync(file, "utf8")) as { format?: unknown; program?: unknown };
		return typeof format === "number" ? { format, program: String(program) } : undefined;
	} catch {
		return undefined;
	}
}
