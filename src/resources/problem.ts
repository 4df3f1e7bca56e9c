// A problem is one thing wrong with one place of one resource. Readers of configuration return all of them at once.

/** Where a resource, or a field of it, was read from. Lines and columns count from 1. */
export interface Origin {
	readonly file: string;
	readonly line: number;
	readonly column: number;
}

export interface Problem {
	/** `error`: the resource is refused. `warning`: it is accepted, but this part of it does nothing or may surprise. */
	readonly severity: "error" | "warning";
	readonly origin: Origin;
	/** Which resource: `VirtualService default/reviews`; empty when the text did not get that far. */
	readonly resource: string;
	/** Path of the field, `spec.http[0].route[1].weight`; empty for the resource as a whole. */
	readonly path: string;
	/** What is wrong, with the value that was found. */
	readonly message: string;
	/** What would be right. */
	readonly hint: string;
	/** Istio's analysis code where there is one, `IST0101`. */
	readonly code?: string;
	/** Of a text that names no resource: those that it held before, whose last good versions stay in force. */
	readonly keeps?: readonly string[];
}
