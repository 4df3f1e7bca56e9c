// What a failed connection means, in words.

const words: Readonly<Record<string, string>> = {
	ECONNREFUSED: "connection refused",
	ECONNRESET: "connection reset",
	EPIPE: "connection closed",
	ETIMEDOUT: "connection timed out",
	EHOSTUNREACH: "host unreachable",
	ENETUNREACH: "network unreachable",
	ENOTFOUND: "no such host",
	EAI_AGAIN: "no answer from DNS",
};

/** A code that is not known stands for itself, with its message: certificates are refused for many reasons. */
export function describeSocketError(error: NodeJS.ErrnoException): string {
	// HTTP/2 says first that a stream was cancelled, and inside of that why.
	if (error.code === "ERR_HTTP2_STREAM_CANCEL" && error.cause instanceof Error) return describeSocketError(error.cause);
	const known = error.code === undefined ? undefined : words[error.code];
	// Behind a semicolon Node gives advice about itself.
	const message = error.message.split(";")[0] ?? "";
	return known ?? (error.code ? `${message} (${error.code})` : message);
}
