// Whether what a control plane sends is older than what the proxy has. In: the newest revision that came, and what the response
// says. A control plane that says nothing of the kind is taken as it is.

import {
	compareRevisions,
	newerRevision,
	parseRevisionLabel,
	type Revision,
	renderRevision,
} from "../model/revision.ts";

export type RevisionVerdict =
	| { readonly type: "same" }
	| { readonly type: "newer"; readonly seen: Revision }
	| { readonly type: "older"; readonly because: string };

export function judgeRevision(seen: Revision | undefined, systemVersion: string | undefined): RevisionVerdict {
	const label = systemVersion === undefined ? undefined : parseRevisionLabel(systemVersion);
	if (!label) return { type: "same" };
	if (seen && compareRevisions(label.has, seen) < 0) {
		const because = `its state ${renderRevision(label.has)} is older than ${renderRevision(seen)}, which came before`;
		return { type: "older", because };
	}
	// Not what it may have: a number that nothing is ever given would shut out every control plane.
	const newest = seen ? newerRevision(seen, label.has) : label.has;
	return seen && compareRevisions(newest, seen) === 0 ? { type: "same" } : { type: "newer", seen: newest };
}
