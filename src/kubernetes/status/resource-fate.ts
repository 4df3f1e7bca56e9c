// What the mesh knows of one resource of the Kubernetes API, from which its status is made.

/** Where the API has it. */
export interface FateResource {
	readonly group: string;
	/** Any that is served. */
	readonly version: string;
	readonly kind: string;
	readonly plural: string;
	readonly namespaced: boolean;
}

export interface ResourceFate {
	readonly resource: FateResource;
	readonly namespace: string;
	readonly name: string;
	readonly uid?: string;
	/** metadata.generation of the newest version that was read, whether it was accepted or not. */
	readonly generation: number;
	readonly accepted: boolean;
	readonly problems: readonly FateProblem[];
	/** Why nothing follows from it; absent: something does. */
	readonly noEffect?: string;
	/** Absent for kinds where nobody counts them. */
	readonly proxies?: {
		readonly concerned: number;
		readonly applied: number;
		readonly withheld: number;
		readonly rejected: readonly { readonly proxy: string; readonly type: string; readonly message: string }[];
	};
}

export interface FateProblem {
	readonly severity: "error" | "warning";
	readonly path: string;
	readonly message: string;
	readonly hint: string;
	/** Istio's analysis code: of an error that does not refuse the resource. */
	readonly code?: string;
}

/** `VirtualService/shop/reviews` */
export type FateKey = string;

export function keyOfFate({
	resource,
	namespace,
	name,
}: Pick<ResourceFate, "resource" | "namespace" | "name">): FateKey {
	return `${resource.kind}/${namespace}/${name}`;
}
