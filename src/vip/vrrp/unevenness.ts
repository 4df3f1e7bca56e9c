// How uneven something comes: the second worst of late, so that one stall (at a start, say) does not count and a second one does.
// It fades, by half in 140 beats.

export interface Unevenness {
	readonly worstUs: number;
	readonly secondUs: number;
}

const fading = 0.995;

export const even: Unevenness = { worstUs: 0, secondUs: 0 };

/** With the next gap or lateness. */
export function noteUneven(before: Unevenness, us: number): Unevenness {
	const worstUs = before.worstUs * fading;
	const secondUs = before.secondUs * fading;
	if (us > worstUs) return { worstUs: us, secondUs: worstUs };
	return { worstUs, secondUs: Math.max(secondUs, us) };
}
