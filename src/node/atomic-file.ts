// Files that are either old or new, never half: written beside and renamed.

import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

let sequence = 0;

/** Replaces a file as a whole; makes its directory when it is missing. */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
	await mkdir(dirname(path), { recursive: true });
	const temporary = `${path}.${process.pid}.${sequence++}.tmp`;
	const file = await open(temporary, "w", mode);
	try {
		await file.writeFile(content);
		await file.chmod(mode);
	} finally {
		await file.close();
	}
	await rename(temporary, path);
}
