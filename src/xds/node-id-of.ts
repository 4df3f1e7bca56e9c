// Who a proxy is, as its first delta request says.

import { decodeNode } from "./node.ts";
import { decodeDeltaRequest } from "./request.ts";

/** Undefined when the request is not fit: the session says why. */
export function nodeIdOf(bytes: Uint8Array): string | undefined {
	const decoded = decodeDeltaRequest(bytes);
	const node = decoded.ok && decoded.request.node ? decodeNode(decoded.request.node) : undefined;
	return node?.ok ? node.node.id : undefined;
}
