// A tar on disk that grows by one file after the other, and is complete once it is closed.

import { closeSync, openSync, writeSync } from "node:fs";
import { renderTarHeader, tarEnd, tarPaddingBytes } from "./tar-header.ts";

export class ArchiveFile {
	readonly #output: number;

	constructor(path: string) {
		this.#output = openSync(path, "w");
	}

	/** `fill` must write exactly `sizeBytes`. */
	add(path: string, sizeBytes: number, fill: (write: (bytes: Uint8Array) => void) => void): void {
		this.#write(renderTarHeader({ kind: "file", path, mode: 0o644, sizeBytes }));
		let written = 0;
		fill((bytes) => {
			written += bytes.length;
			this.#write(bytes);
		});
		if (written !== sizeBytes) throw new Error(`${path}: ${written} bytes instead of ${sizeBytes}`);
		this.#write(new Uint8Array(tarPaddingBytes(sizeBytes)));
	}

	addText(path: string, text: string): void {
		const bytes = Buffer.from(text);
		this.add(path, bytes.length, (write) => write(bytes));
	}

	[Symbol.dispose](): void {
		try {
			this.#write(tarEnd);
		} finally {
			closeSync(this.#output);
		}
	}

	#write(bytes: Uint8Array): void {
		for (let at = 0; at < bytes.length; ) at += writeSync(this.#output, bytes, at);
	}
}
