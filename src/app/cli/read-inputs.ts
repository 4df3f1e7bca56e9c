// The files that `-f` names: files, directories, `-` for standard input.

import type { LoadedFiles } from "../../sources/files/load-files.ts";
import { CliError, exitCodes } from "./cli-error.ts";

export async function readInputs(
	paths: readonly string[],
	options: { readonly defaultNamespace?: string } = {},
): Promise<LoadedFiles> {
	const { loadFiles } = await import("../../sources/files/load-files.ts");
	const stdin = paths.includes("-") ? await readStdin() : undefined;
	const loaded = await loadFiles(paths, { ...options, ...(stdin === undefined ? {} : { stdin }) });
	const [missing] = loaded.missing;
	if (missing !== undefined) throw new CliError(exitCodes.noInput, `there is no ${missing}`, `ls ${parentOf(missing)}`);
	return loaded;
}

export async function readStdin(): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of process.stdin) {
		bytes += (chunk as Buffer).length;
		if (bytes > 32 * 1024 * 1024) {
			throw new CliError(exitCodes.data, "standard input is larger than 32 MiB", "split it into several files");
		}
		chunks.push(chunk as Buffer);
	}
	return Buffer.concat(chunks).toString("utf8");
}

function parentOf(path: string): string {
	return path.replace(/\/+$/, "").replace(/[^/]+$/, "") || ".";
}
