// A layer of an image as a tar: its size, known before it is written, and its bytes.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { type Layer, type LayerEntry, orderLayer } from "./layer.ts";
import { renderTarHeader, type TarEntry, tarBlockBytes, tarEnd, tarPaddingBytes } from "./tar-header.ts";

export interface LayerTar {
	readonly sizeBytes: number;
	/** The same bytes each time, as long as no file changes. */
	writeTo(write: (bytes: Uint8Array) => void): void;
}

export function tarOfLayer(layer: Layer): LayerTar {
	const entries = orderLayer(layer).map(measured);
	return {
		sizeBytes: layerBytes(entries),
		writeTo: (write) => {
			for (const entry of entries) writeEntry(entry, write);
			write(tarEnd);
		},
	};
}

interface Measured {
	readonly entry: LayerEntry;
	readonly header: TarEntry;
}

function measured(entry: LayerEntry): Measured {
	const { path } = entry;
	switch (entry.kind) {
		case "file": {
			const { size, mode } = statSync(entry.source);
			const header = { kind: "file", path, mode: entry.mode ?? mode & 0o777, sizeBytes: size } as const;
			return { entry, header: { ...header, uid: entry.uid ?? 0, gid: entry.uid ?? 0 } };
		}
		case "text":
			return {
				entry,
				header: { kind: "file", path, mode: entry.mode ?? 0o644, sizeBytes: Buffer.byteLength(entry.text) },
			};
		case "link":
			return { entry, header: { kind: "link", path, mode: 0o777, sizeBytes: 0, target: entry.target } };
		case "directory": {
			const owner = { uid: entry.uid ?? 0, gid: entry.uid ?? 0 };
			return { entry, header: { kind: "directory", path, mode: entry.mode ?? 0o755, sizeBytes: 0, ...owner } };
		}
		default:
			return entry satisfies never;
	}
}

function layerBytes(entries: readonly Measured[]): number {
	const sizes = entries.map(
		({ header }) => renderTarHeader(header).length + header.sizeBytes + tarPaddingBytes(header.sizeBytes),
	);
	return sizes.reduce((sum, size) => sum + size, tarEnd.length);
}

function writeEntry({ entry, header }: Measured, write: (bytes: Uint8Array) => void): void {
	write(renderTarHeader(header));
	if (entry.kind === "text") write(Buffer.from(entry.text));
	if (entry.kind === "file") copyContent(entry.source, header.sizeBytes, write);
	write(new Uint8Array(tarPaddingBytes(header.sizeBytes)));
}

function copyContent(source: string, sizeBytes: number, write: (bytes: Uint8Array) => void): void {
	const input = openSync(source, "r");
	const buffer = Buffer.allocUnsafe(2048 * tarBlockBytes);
	try {
		for (let left = sizeBytes; left > 0; ) {
			const count = readSync(input, buffer, 0, Math.min(buffer.length, left), null);
			if (count === 0) throw new Error(`${source} became shorter while it was read`);
			write(buffer.subarray(0, count));
			left -= count;
		}
	} finally {
		closeSync(input);
	}
}
