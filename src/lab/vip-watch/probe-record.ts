// What a prober saw of an address that moves: every probe and every answer. Out of it: how long nobody answered, which node
// answered when, and what was lost. All times are CLOCK_MONOTONIC in microseconds, the same in every process of a machine.

export interface ProbeRecord {
	/** When each probe left; the index is its number. */
	readonly sentUs: readonly number[];
	/** In the order of arrival. */
	readonly answers: readonly ProbeAnswer[];
	/** The most by which the prober itself sent late: above it a gap is the address's, below it the machine's. */
	readonly mostLateUs: number;
}

export interface ProbeAnswer {
	readonly probe: number;
	readonly atUs: number;
	/** One letter for each node. */
	readonly node: string;
}

/** Longest time between two answers that arrived in the span, its ends included. */
export function longestGapMs({ answers }: ProbeRecord, fromUs: number, toUs: number): number {
	const times = answers.map(({ atUs }) => atUs).filter((atUs) => atUs > fromUs && atUs < toUs);
	const marks = [fromUs, ...times, toUs];
	return Math.max(...marks.slice(1).map((mark, index) => mark - (marks[index] ?? mark))) / 1000;
}

export interface HandOver {
	/** From the last answer of the old owner before it to the first answer of the new one. */
	readonly gapMs: number;
	/** From the fault. */
	readonly afterFaultMs: number;
	/** Answers of the old owner after the first of the new one that were asked for after it: a client saw two owners. */
	readonly answersOfOld: number;
}

/** Undefined when the new owner never answered after the fault. */
export function handOverTo(node: string, { sentUs, answers }: ProbeRecord, faultUs: number): HandOver | undefined {
	const first = answers.find((answer) => answer.node === node && answer.atUs > faultUs);
	if (!first) return undefined;
	const before = answers.filter((answer) => answer.node !== node && answer.atUs < first.atUs).at(-1);
	return {
		gapMs: (first.atUs - (before?.atUs ?? faultUs)) / 1000,
		afterFaultMs: (first.atUs - faultUs) / 1000,
		answersOfOld: answers.filter((answer) => answer.node !== node && (sentUs[answer.probe] ?? 0) > first.atUs).length,
	};
}

/** Probes sent in the span that nobody answered. */
export function lostProbes({ sentUs, answers }: ProbeRecord, fromUs: number, toUs: number): number {
	const answered = new Set(answers.map(({ probe }) => probe));
	return sentUs.filter((atUs, probe) => atUs >= fromUs && atUs <= toUs && !answered.has(probe)).length;
}

/** How often the answering node was another one than before. */
export function changesOfOwner({ answers }: ProbeRecord): number {
	return answers.slice(1).filter(({ node }, index) => node !== answers[index]?.node).length;
}
