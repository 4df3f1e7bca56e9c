// The digests of layers, known again without reading their files: a layer is told by its entries and by size and time of the files
// that it is made of. Kept with the image store.

import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Layer } from "./layer.ts";
import { tarOfLayer } from "./layer-tar.ts";

/** From a layer's stamp to `sha256:...` of its tar. */
export type LayerDigests = Readonly<Record<string, string>>;

const file = (store: string): string => join(store, "keepmesh-layers.json");

/** Changes whenever the layer's tar would. */
export function stampOfLayer(layer: Layer): string {
	const hash = createHash("sha256").update(JSON.stringify(layer));
	for (const entry of layer)
		if (entry.kind === "file") {
			const { size, mtimeMs, mode } = statSync(entry.source);
			hash.update(`${entry.source} ${size} ${mtimeMs} ${mode}\n`);
		}
	return hash.digest("hex").slice(0, 32);
}

/** Reads every file of the layer. */
export function digestOfLayer(layer: Layer): string {
	const hash = createHash("sha256");
	tarOfLayer(layer).writeTo((bytes) => hash.update(bytes));
	return `sha256:${hash.digest("hex")}`;
}

export function writeLayerDigests(store: string, digests: LayerDigests): void {
	writeFileSync(file(store), JSON.stringify(digests));
}

/** Empty when the store has none, or has gone. */
export function readLayerDigests(store: string): LayerDigests {
	try {
		return JSON.parse(readFileSync(file(store), "utf8")) as LayerDigests;
	} catch {
		return {};
	}
}
