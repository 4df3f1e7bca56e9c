// A request, or a connection, as AuthorizationPolicies see it.

export interface AccessRequest {
	/** Absent fields of `http` mean: the port proxies bytes, so nothing of HTTP is known. */
	readonly http?: HttpFacts;
	/** Of the client's verified certificate, without `spiffe://`; absent for plaintext. */
	readonly principal?: string;
	/** Of the connection. */
	readonly sourceIp?: string;
	/** Of the original client; the connection's when nothing else is known. */
	readonly remoteIp?: string;
	readonly destinationIp?: string;
	/** Port of the workload. */
	readonly destinationPort: number;
	readonly sni?: string;
}

export interface HttpFacts {
	readonly method: string;
	/** Without its query, after normalisation. */
	readonly path: string;
	readonly host: string;
	/** Lower-case names. */
	readonly headers: Readonly<Record<string, string>>;
	/** Payload of a verified token. */
	readonly claims?: Readonly<Record<string, unknown>>;
}
