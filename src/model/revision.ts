// How new the configuration of a mesh is: (epoch, counter). Each leader begins an epoch above all that it knows of; each change
// that it makes counts. Control planes say it with every response, so that a node takes nothing that is older than what it has.

export interface Revision {
	readonly epoch: number;
	readonly counter: number;
}

export const noRevision: Revision = { epoch: 0, counter: 0 };

/** Below zero: `a` is older. */
export function compareRevisions(a: Revision, b: Revision): number {
	return a.epoch - b.epoch || a.counter - b.counter;
}

export function newerRevision(a: Revision, b: Revision): Revision {
	return compareRevisions(a, b) < 0 ? b : a;
}

/** `1763740000.17` */
export function renderRevision({ epoch, counter }: Revision): string {
	return `${epoch}.${counter}`;
}

export function parseRevision(text: string): Revision | undefined {
	const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
	return match ? { epoch: Number(match[1]), counter: Number(match[2]) } : undefined;
}

/** What a replica says of its state. While changes come in the two differ. */
export interface RevisionLabel {
	/** It has everything up to here. */
	readonly has: Revision;
	/** It has nothing newer than this. */
	readonly mayHave: Revision;
}

/** `7.17`, or `7.17~7.20` where the two differ. */
export function renderRevisionLabel({ has, mayHave }: RevisionLabel): string {
	const text = renderRevision(has);
	return compareRevisions(has, mayHave) === 0 ? text : `${text}~${renderRevision(mayHave)}`;
}

/** Undefined: it says nothing of the kind. */
export function parseRevisionLabel(text: string): RevisionLabel | undefined {
	const [first = "", second] = text.split("~");
	const has = parseRevision(first);
	const mayHave = second === undefined ? has : parseRevision(second);
	return has && mayHave ? { has, mayHave } : undefined;
}

/**
 * The epoch of a new leader: above all that are known, and at least the time, so that a mesh that has lost all its state still goes
 * on above what its nodes have seen.
 */
export function nextEpoch(known: Revision, wallMs: number): Revision {
	return { epoch: Math.max(known.epoch + 1, Math.floor(wallMs / 1000)), counter: 0 };
}
