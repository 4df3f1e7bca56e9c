// What a layer of an image holds. Entries are written sorted by path, each directory on the way made by itself, so a list needs
// no order.

export type LayerEntry =
	/** A file of this machine; symbolic links to it are followed. */
	| {
			readonly kind: "file";
			readonly path: string;
			readonly source: string;
			readonly mode?: number;
			readonly uid?: number;
	  }
	| { readonly kind: "text"; readonly path: string; readonly text: string; readonly mode?: number }
	| { readonly kind: "link"; readonly path: string; readonly target: string }
	| { readonly kind: "directory"; readonly path: string; readonly mode?: number; readonly uid?: number };

export type Layer = readonly LayerEntry[];

/** With parent directories, without doubles (the last one stays), in the order in which an archive has them. */
export function orderLayer(layer: Layer): Layer {
	const byPath = new Map<string, LayerEntry>();
	for (const entry of layer) {
		const parts = entry.path.split("/");
		for (let depth = 1; depth < parts.length; depth++) {
			const path = parts.slice(0, depth).join("/");
			if (!byPath.has(path)) byPath.set(path, { kind: "directory", path });
		}
		byPath.set(entry.path, entry);
	}
	return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
