// Whether the spare can take a pod's connections. In: the listeners that it should have for the pod, what it says of its own, and
// what it refused. Out: yes, no because, or not yet.

import { spareName } from "./spare-config.ts";

export interface WantedListener {
	readonly name: string;
	readonly version: string;
}

/** As the spare's admin interface tells it. */
export interface SpareListener {
	readonly name: string;
	/** Of the one that takes connections; absent while none does. */
	readonly activeVersion?: string;
	/** Why it refused the version after that. */
	readonly error?: string;
}

export type SpareServing =
	| { readonly state: "serves" }
	/** It may be about to: what it had before goes on. */
	| { readonly state: "pending"; readonly because: string }
	| { readonly state: "refused"; readonly because: string };

export interface SpareSeen {
	readonly listeners: readonly SpareListener[];
	/** The spare's words on each response of clusters, endpoints, routes or secrets that it did not take. */
	readonly refusals: readonly string[];
}

/** `wanted` is not empty. */
export function spareServing(uid: string, wanted: readonly WantedListener[], seen: SpareSeen): SpareServing {
	const refusal = seen.refusals.find((text) => text.includes(spareName(uid, "")));
	if (refusal !== undefined) return { state: "refused", because: `the spare refused: ${refusal}` };
	let pending: string | undefined;
	for (const { name, version } of wanted) {
		const listener = seen.listeners.find((one) => one.name === name);
		if (listener?.activeVersion === version) continue;
		if (listener?.error !== undefined)
			return { state: "refused", because: `the spare refused ${name}: ${listener.error}` };
		pending ??= `the spare is not ready with ${name}`;
	}
	return pending === undefined ? { state: "serves" } : { state: "pending", because: pending };
}
