// Weighted round robin as a fixed wheel: who is next at each step, the heavy ones spread evenly between the light ones. In: how many
// steps each has. Out: an index for each step. The rule is the smooth one that nginx made known.

/** Every member appears exactly as often as its count says, and the whole is the same for the same counts. */
export function weightedWheel(counts: readonly number[]): readonly number[] {
	const total = counts.reduce((sum, count) => sum + count, 0);
	if (counts.every((count) => count <= 1)) return counts.flatMap((count, index) => (count === 1 ? [index] : []));
	const credit = counts.map(() => 0);
	const wheel: number[] = [];
	while (wheel.length < total) {
		let next = -1;
		for (let index = 0; index < counts.length; index++) {
			credit[index] = (credit[index] ?? 0) + (counts[index] ?? 0);
			if ((counts[index] ?? 0) > 0 && (next < 0 || (credit[index] ?? 0) > (credit[next] ?? 0))) next = index;
		}
		credit[next] = (credit[next] ?? 0) - total;
		wheel.push(next);
	}
	return wheel;
}
