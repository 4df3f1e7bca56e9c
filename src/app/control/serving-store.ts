// What a control plane had heard of pods without a proxy, for the process that comes after it: one file, JSON. What is too old,
// or cannot be read, counts as nothing.

import { readFileSync } from "node:fs";
import type { NodeServing } from "../../hotswitch/serving-board.ts";
import { decodeServingReport } from "../../hotswitch/serving-report-codec.ts";
import { replaceFile } from "../../runtime/durable-file.ts";

export interface ServingStore {
	load(wallMs: number): readonly NodeServing[];
	/** Best effort: nodes report again anyway. */
	save(nodes: readonly NodeServing[], wallMs: number): void;
}

export const noServingStore: ServingStore = { load: () => [], save: () => {} };

const maxAgeMs = 600_000;

export function servingFile(path: string): ServingStore {
	return {
		load: (wallMs) => {
			try {
				const { savedMs, nodes } = JSON.parse(readFileSync(path, "utf8")) as {
					readonly savedMs: number;
					readonly nodes: readonly object[];
				};
				if (!(wallMs - savedMs < maxAgeMs)) return [];
				return nodes.flatMap((node) => {
					const bytes = new TextEncoder().encode(JSON.stringify({ ...node, events: [] }));
					const decoded = decodeServingReport(bytes);
					return decoded.ok ? [{ ...decoded.report, heardAtMs: 0 }] : [];
				});
			} catch {
				return [];
			}
		},
		save: (nodes, savedMs) => {
			try {
				replaceFile(path, JSON.stringify({ savedMs, nodes }), false);
			} catch {
				// A full disk must not keep callers from being told.
			}
		},
	};
}
