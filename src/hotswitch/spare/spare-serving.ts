// Whether the spare can take a pod's connections. In: the listeners and secrets that it should have for the pod, what it says of
// its own, what it confirmed and refused. Out: yes, no because, or not yet.

import { spareName } from "./spare-config.ts";

export interface WantedResource {
	readonly name: string;
	readonly version: string;
}

/** As the spare's admin interface tells it. */
export interface SpareListener {
	readonly name: string;
	/** Takes connections. Which version of it does is not told: after a change of filter chains alone Envoy names the one before. */
	readonly isActive: boolean;
	/** One that it has confirmed does not take connections yet. */
	readonly isWarming: boolean;
	/** Why it refused the newest. */
	readonly error?: string;
}

export type SpareServing =
	| { readonly state: "serves" }
	/** It may be about to: what it had before goes on. */
	| { readonly state: "pending"; readonly because: string }
	| { readonly state: "refused"; readonly because: string };

export interface SpareSeen {
	readonly listeners: readonly SpareListener[];
	/** Whether it had confirmed that version of a listener before it was asked for its listeners. */
	readonly hasConfirmed: (listener: WantedResource) => boolean;
	/** The spare's words on each response of clusters, endpoints, routes or secrets that it did not take. */
	readonly refusals: readonly string[];
}

/** Why the spare does not show the certificate or trust the roots that the pod should have now. */
export interface SecretLack {
	readonly because: string;
	readonly isRefused: boolean;
}

/** `wanted` is not empty. */
export function spareServing(
	uid: string,
	wanted: readonly WantedResource[],
	seen: SpareSeen,
	lack?: SecretLack,
): SpareServing {
	const refusal = seen.refusals.find((text) => text.includes(spareName(uid, "")));
	if (refusal !== undefined) return { state: "refused", because: `the spare refused: ${refusal}` };
	let pending: string | undefined;
	for (const { name, version } of wanted) {
		const listener = seen.listeners.find((one) => one.name === name);
		if (listener?.isActive && !listener.isWarming && seen.hasConfirmed({ name, version })) continue;
		if (listener?.error !== undefined)
			return { state: "refused", because: `the spare refused ${name}: ${listener.error}` };
		pending ??= `the spare is not ready with ${name}`;
	}
	if (lack?.isRefused) return { state: "refused", because: lack.because };
	pending ??= lack?.because;
	return pending === undefined ? { state: "serves" } : { state: "pending", because: pending };
}
