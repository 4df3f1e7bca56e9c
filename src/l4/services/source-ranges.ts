// loadBalancerSourceRanges -> canonical ranges. What cannot be read never lets more people in: a family that is left with no
// range of its own is then closed, where kube-proxy would open it (its API server refuses such texts beforehand).

import { canonicalRange } from "./canonical-address.ts";

/** No packet comes from the unspecified address. */
const nobody = ["0.0.0.0/32", "::/128"];

/** Empty: everybody may come. Blanks around a range are passed over. */
export function sourceRangesOf(texts: readonly string[]): readonly string[] {
	const written = texts.map((text) => text.trim()).filter((text) => text !== "");
	const ranges = written.map(canonicalRange);
	const good = ranges.filter((range) => range !== undefined);
	return [...new Set(good.length < ranges.length ? [...good, ...nobody] : good)];
}
