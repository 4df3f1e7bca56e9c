// The mesh's pathNormalization -> how the HTTP connection manager makes a path plain before filters and routes see it, and
// forwards it in that form. Istio's settings. `NONE` leaves each spelling as it came: policies on paths are then the
// operator's to get right.

import type { PathNormalization } from "../../model/security.ts";
import {
	HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
	type HttpConnectionManagerSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

import type { MessageFields } from "../message-fields.ts";

type Options = Pick<
	MessageFields<typeof HttpConnectionManagerSchema>,
	"normalizePath" | "mergeSlashes" | "pathWithEscapedSlashesAction"
>;

const byMode: Readonly<Record<PathNormalization, Options>> = {
	NONE: { normalizePath: false, pathWithEscapedSlashesAction: EscapedSlashes.KEEP_UNCHANGED },
	/** Dot segments, backslashes, and percent-encoding of characters that need none. */
	BASE: { normalizePath: true, pathWithEscapedSlashesAction: EscapedSlashes.KEEP_UNCHANGED },
	MERGE_SLASHES: {
		normalizePath: true,
		mergeSlashes: true,
		pathWithEscapedSlashesAction: EscapedSlashes.KEEP_UNCHANGED,
	},
	/** `%2F` and `%5C` become what they stand for first. */
	DECODE_AND_MERGE_SLASHES: {
		normalizePath: true,
		mergeSlashes: true,
		pathWithEscapedSlashesAction: EscapedSlashes.UNESCAPE_AND_FORWARD,
	},
};

export function pathNormalization(mode: PathNormalization): Options {
	return byMode[mode];
}
