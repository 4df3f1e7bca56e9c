// What a Kubernetes API server asks an admission webhook, and the answer: group admission.k8s.io/v1, types and small builders.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/

export interface AdmissionRequest {
	readonly uid: string;
	readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
	readonly namespace?: string;
	/** Absent while the server has not yet made one of `generateName`. */
	readonly name?: string;
	readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
	readonly dryRun?: boolean;
	/** Absent for DELETE. */
	readonly object?: unknown;
	/** What it was, for UPDATE and DELETE. */
	readonly oldObject?: unknown;
}

export interface AdmissionReview {
	readonly apiVersion: string;
	readonly kind: "AdmissionReview";
	readonly request: AdmissionRequest;
}

export interface AdmissionResponse {
	readonly uid: string;
	readonly allowed: boolean;
	/** Why not, for people. */
	readonly status?: { readonly code: number; readonly reason?: string; readonly message: string };
	/** Shown by kubectl; each at most 120 characters, or the server may cut it. */
	readonly warnings?: readonly string[];
	readonly patchType?: "JSONPatch";
	/** RFC 6902 as JSON, in base64. */
	readonly patch?: string;
}

export function allow({ uid }: AdmissionRequest, warnings: readonly string[] = []): AdmissionResponse {
	return { uid, allowed: true, ...(warnings.length > 0 ? { warnings } : {}) };
}

/** 422 Invalid: the object is wrong, and asking again does not help. */
export function refuse(
	{ uid }: AdmissionRequest,
	message: string,
	warnings: readonly string[] = [],
): AdmissionResponse {
	const status = { code: 422, reason: "Invalid", message };
	return { uid, allowed: false, status, ...(warnings.length > 0 ? { warnings } : {}) };
}
