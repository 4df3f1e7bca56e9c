// A proxy's id as the name of a file: readable where it can be, as no file name is longer than 255 bytes.

import { createHash } from "node:crypto";

/** `ending`: `.pem`. */
export function proxyFileName(proxyId: string, ending: string): string {
	const readable = encodeURIComponent(proxyId);
	return (readable.length <= 200 ? readable : createHash("sha256").update(proxyId).digest("hex")) + ending;
}
