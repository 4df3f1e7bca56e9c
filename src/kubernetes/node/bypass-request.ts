// A bypass as annotations of a Pod ask for it: who may patch the Pod takes its connections off its sidecar, from anywhere, and gives them
// back by taking the annotations away. In: a Pod's annotations. Out: what is asked for.

/** Why; its presence is what asks. */
export const bypassAnnotation = "keepmesh.io/bypass";
/** Who says that it was him; the API server's audit log knows. */
export const bypassByAnnotation = "keepmesh.io/bypass-by";
/** RFC 3339: it ends by itself then. Without: when it is taken away. */
export const bypassUntilAnnotation = "keepmesh.io/bypass-until";
/** Condition of the Pod: what its node's agent answers. */
export const bypassedCondition = "keepmesh.io/bypassed";

export interface BypassRequest {
	/** As the hot-switch names who did it. */
	readonly by: string;
	readonly why: string;
	/** Milliseconds since the epoch. */
	readonly untilMs?: number;
}

export type ReadBypass =
	| { readonly type: "none" }
	| { readonly type: "bad"; readonly because: string }
	| { readonly type: "asked"; readonly request: BypassRequest };

/** By this a bypass is known to be the Pod's, also by a later agent. */
const mark = " (annotation)";
const longestText = 200;

export function readBypass(annotations: Readonly<Record<string, string>>): ReadBypass {
	const why = annotations[bypassAnnotation];
	if (why === undefined) return { type: "none" };
	const by = `${textOf(annotations[bypassByAnnotation], "somebody")}${mark}`;
	const request = { by, why: textOf(why, "no reason given") };
	const until = annotations[bypassUntilAnnotation];
	if (until === undefined) return { type: "asked", request };
	const untilMs = /^\d{4}-\d\d-\d\dT/.test(until) ? Date.parse(until) : Number.NaN;
	if (Number.isNaN(untilMs))
		return { type: "bad", because: `${bypassUntilAnnotation} is no time: write it as 2026-01-31T12:00:00Z` };
	return { type: "asked", request: { ...request, untilMs } };
}

/** It was asked for by annotations, and not on the node. */
export const isByAnnotation = ({ by }: { readonly by: string }): boolean => by.endsWith(mark);

function textOf(text: string | undefined, otherwise: string): string {
	const clean = (text ?? "").replaceAll(/\s+/g, " ").trim().slice(0, longestText);
	return clean === "" ? otherwise : clean;
}
