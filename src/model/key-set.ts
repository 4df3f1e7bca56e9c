// A JSON Web Key Set (RFC 7517) as somebody serves or writes it -> the same keys with nothing in them but what verifying
// signatures needs. What is private never gets into a configuration: of RSA, EC and OKP keys only public members are
// carried over, and symmetric keys only where the caller says that they are meant to be there.

import { compareText } from "../resources/config-object.ts";

export interface KeySetLimits {
	/** Keys after these are left out. */
	readonly maxKeys: number;
	/** Of one member, in characters. The modulus of RSA with 16,384 bits has 2731; longer ones only take time. */
	readonly maxMemberLength: number;
}

export const defaultKeySetLimits: KeySetLimits = { maxKeys: 100, maxMemberLength: 2800 };

/**
 * A key that Envoy reads and that no signature fits: the 32 bytes `keepmesh has no key for tokens..` are no point of the
 * Ed25519 curve. Envoy refuses a listener whose key set holds nothing that it can read.
 */
const keyOfNobody = {
	kty: "OKP",
	kid: "keepmesh-no-key",
	alg: "EdDSA",
	crv: "Ed25519",
	x: "a2VlcG1lc2ggaGFzIG5vIGtleSBmb3IgdG9rZW5zLi4",
};

/** Keys in the form of `readKeySet`, or none -> a key set that Envoy always accepts. */
export function keySetForEnvoy(keys: string | undefined): string {
	const known: { readonly keys: readonly unknown[] } = keys === undefined ? { keys: [] } : JSON.parse(keys);
	return JSON.stringify({ keys: [...known.keys, keyOfNobody] });
}

export type KeySetReading =
	| {
			readonly ok: true;
			/** JSON text, the same for the same keys however they were written. */
			readonly keys: string;
			readonly count: number;
			/** What was left out and why: "key 2: symmetric". Never holds key material. */
			readonly leftOut: readonly string[];
	  }
	| { readonly ok: false; readonly because: string };

/** Names of members that Envoy reads, by key type; every other member is dropped. */
const publicMembers: ReadonlyMap<unknown, readonly string[]> = new Map([
	["RSA", ["n", "e"]],
	["EC", ["crv", "x", "y"]],
	["OKP", ["crv", "x"]],
]);
const commonMembers = ["kty", "kid", "alg", "use"];
const privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** `symmetric`: what becomes of keys of type `oct`, which are secrets: whoever can read the set can make tokens. */
export function readKeySet(
	text: string,
	symmetric: "keep" | "leaveOut",
	limits: KeySetLimits = defaultKeySetLimits,
): KeySetReading {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch {
		// The parser's message quotes the text.
		return { ok: false, because: "it is not JSON" };
	}
	if (!isRecord(json) || !Array.isArray(json.keys)) return { ok: false, because: 'it has no list "keys"' };
	const keys: Record<string, string>[] = [];
	const leftOut: string[] = [];
	for (const [index, entry] of json.keys.slice(0, limits.maxKeys).entries()) {
		const read = readKey(entry, symmetric, limits);
		if (read.key) keys.push(read.key);
		if (read.note !== undefined) leftOut.push(`key ${index + 1}: ${read.note}`);
	}
	const beyond = json.keys.length - limits.maxKeys;
	if (beyond > 0) leftOut.push(`${beyond} keys after the first ${limits.maxKeys}`);
	if (keys.length === 0) return { ok: false, because: ["it has no usable key", ...leftOut.slice(0, 5)].join("; ") };
	// Issuers may list them in another order each time, which is no reason for every proxy to get a new listener.
	keys.sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b)));
	return { ok: true, keys: JSON.stringify({ keys }), count: keys.length, leftOut };
}

function readKey(
	entry: unknown,
	symmetric: "keep" | "leaveOut",
	limits: KeySetLimits,
): { readonly key?: Record<string, string>; readonly note?: string } {
	if (!isRecord(entry)) return { note: "not an object" };
	const { kty } = entry;
	if (kty === "oct" && symmetric === "leaveOut") return { note: "symmetric, and not ours to hand on" };
	const members = kty === "oct" ? ["k"] : publicMembers.get(kty);
	if (!members) return { note: "its kty is none of RSA, EC, OKP" };
	if (entry.use !== undefined && entry.use !== "sig") return { note: "not for signatures" };
	const key: Record<string, string> = {};
	for (const name of [...commonMembers, ...members]) {
		const value = entry[name];
		if (value === undefined && commonMembers.includes(name)) continue;
		if (typeof value !== "string" || value === "") return { note: `${name} is missing or no text` };
		if (value.length > limits.maxMemberLength) return { note: `${name} is longer than ${limits.maxMemberLength}` };
		key[name] = value;
	}
	const isPrivate = privateMembers.some((name) => entry[name] !== undefined && !members.includes(name));
	return isPrivate ? { key, note: "private members removed" } : { key };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
