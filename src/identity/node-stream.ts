// The id of the xDS stream that a node opens for itself: `node~NAME`. It carries the trust bundle and nothing else.

const prefix = "node~";

export function nodeStreamId(name: string): string {
	return prefix + name;
}

/** The node's name; undefined for the id of a proxy. */
export function nodeOfStream(id: string): string | undefined {
	return id.startsWith(prefix) ? id.slice(prefix.length) : undefined;
}
