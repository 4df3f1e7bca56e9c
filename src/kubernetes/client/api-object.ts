// What comes from a Kubernetes API server, before anybody has looked at its fields: types only.

export interface RawMeta {
	readonly name: string;
	/** Absent for kinds that have none. */
	readonly namespace?: string;
	readonly uid: string;
	readonly resourceVersion: string;
	readonly creationTimestamp?: string;
	readonly deletionTimestamp?: string;
	readonly generation?: number;
	readonly labels?: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
}

/** An object as the API server sent it. In lists, `kind` and `apiVersion` are those of the list, put in by the reader. */
export interface RawObject {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: RawMeta;
	readonly [field: string]: unknown;
}

/** Kubernetes' answer instead of an object: `{kind: "Status"}`. */
export interface ApiStatus {
	readonly code?: number;
	readonly reason?: string;
	readonly message?: string;
	readonly details?: { readonly retryAfterSeconds?: number };
}

/** The `Status` in an answer's body, or what can be said without one. */
export function statusOf(status: number, body: unknown): ApiStatus {
	if (typeof body === "object" && body !== null && "kind" in body && body.kind === "Status") return body as ApiStatus;
	return { code: status, message: typeof body === "string" && body !== "" ? body.slice(0, 200) : `status ${status}` };
}
