// Files that are either old or new, never half: written beside and renamed.

import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

let sequence = 0;

/** Replaces a file as a whole; makes its directory when it is missing. `isDurable`: it outlives a loss of power from then on. */
export async function writeFileAtomic(
	path: string,
	content: string | Uint8Array,
	mode = 0o600,
	{ isDurable = false }: { readonly isDurable?: boolean } = {},
): Promise<void> {
	await mkdir(dirname(path), { recursive: true });
	const temporary = `${path}.${process.pid}.${sequence++}.tmp`;
	const file = await open(temporary, "w", mode);
	try {
		await file.writeFile(content);
		await file.chmod(mode);
		if (isDurable) await file.sync();
	} finally {
		await file.close();
	}
	await rename(temporary, path);
	if (!isDurable) return;
	const directory = await open(dirname(path), "r");
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}
