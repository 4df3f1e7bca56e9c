// The text of a key set (JWKS, RFC 7517) that is going to be shown: public keys stay, symmetric and private ones do not.

export const redactedText = "[redacted]";

/** What only the holder of a key knows: `k` of symmetric keys (RFC 7518 6.4), private parts of the others (6.2.2, 6.3.2). */
const secretMembers = new Set(["k", "d", "p", "q", "dp", "dq", "qi", "oth", "r", "t", "priv", "seed"]);

/** A text that is no JSON is hidden whole: nobody can tell what it holds. */
export function redactKeySet(text: string): string {
	let changed = false;
	try {
		const set: unknown = JSON.parse(text, function (this: unknown, member, value) {
			if (Array.isArray(this) || !secretMembers.has(member)) return value;
			changed = true;
			return redactedText;
		});
		if (typeof set !== "object") return redactedText;
		return changed ? JSON.stringify(set) : text;
	} catch {
		return redactedText;
	}
}
