// A token that somebody else renews in its file, as kubelet does for Pods. Out: the newest that could be read.

import { readFileSync, statSync } from "node:fs";

/** The file is looked at before each use and read when it changed; one that is gone or empty leaves the last token in use. */
export function tokenFromFile(path: string): () => string | undefined {
	let last: string | undefined;
	let seen = "";
	return () => {
		try {
			const { ino, mtimeMs, size } = statSync(path);
			const now = `${ino} ${mtimeMs} ${size}`;
			if (now === seen) return last;
			const text = readFileSync(path, "utf8").trim();
			if (text !== "") last = text;
			seen = now;
		} catch {
			// Kubelet swaps the directory beneath: the next request finds it.
		}
		return last;
	};
}
