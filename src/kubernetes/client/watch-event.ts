// One line of a watch in, what it means out.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

import { type ApiStatus, type RawObject, statusOf } from "./api-object.ts";

export type WatchLine =
	| { readonly type: "applied"; readonly object: RawObject }
	| { readonly type: "removed"; readonly object: RawObject }
	/** Everything up to here has been told. `endsInitial`: and with it the list that the watch began with. */
	| { readonly type: "bookmark"; readonly resourceVersion: string; readonly endsInitial: boolean }
	| { readonly type: "error"; readonly status: ApiStatus };

/** Throws when the line is no event of a watch. */
export function readWatchLine(line: string): WatchLine {
	const { object, type } = JSON.parse(line) as { readonly type: string; readonly object: RawObject };
	switch (type) {
		case "ADDED":
		case "MODIFIED":
			return { type: "applied", object };
		case "DELETED":
			return { type: "removed", object };
		case "BOOKMARK": {
			const { annotations, resourceVersion } = object.metadata;
			return { type: "bookmark", resourceVersion, endsInitial: annotations?.["k8s.io/initial-events-end"] === "true" };
		}
		case "ERROR":
			return { type: "error", status: statusOf(500, object) };
		default:
			throw new Error(`a watch said ${String(type)}`);
	}
}
