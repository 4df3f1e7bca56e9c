// Key sets of token issuers (JWKS, RFC 7517): the text comes in, what is wrong with it goes out, never any part of a key.

import type { Findings, Path } from "../findings.ts";
import { isMapping } from "../shapes/check-shape.ts";

/** What a key of each type must have. */
const partsByType: ReadonlyMap<string, readonly string[]> = new Map([
	["RSA", ["n", "e"]],
	["EC", ["crv", "x", "y"]],
	["OKP", ["crv", "x"]],
	["oct", ["k"]],
]);

export function checkKeySet(text: string, path: Path, findings: Findings): void {
	const wrong = keySetError(text);
	if (wrong) {
		findings.error(
			path,
			`is not a set of keys: ${wrong}`,
			'write JSON: {"keys": [{"kty": "RSA", "n": ..., "e": ...}]}',
		);
		return;
	}
	const keys = keysIn(text);
	if (keys.length === 0)
		findings.warning(path, "holds no key, so no token is accepted", "add the issuer's public keys");
	for (const key of keys)
		if ("d" in key) {
			findings.warning(path, "holds a private key, which every proxy would get", "keep the public parts only");
			return;
		}
}

/** What is wrong with the text of a key set, in words that follow "it"; undefined when it can be used. */
export function keySetError(text: string): string | undefined {
	const value = parse(text);
	if (value === undefined) return "it is not JSON";
	if (!isMapping(value)) return "it is no JSON object";
	if (!Array.isArray(value.keys)) return 'it has no list "keys"';
	const keys: readonly unknown[] = value.keys;
	for (const [index, key] of keys.entries()) {
		if (!isMapping(key)) return `key ${index + 1} is no JSON object`;
		const { kty } = key;
		if (typeof kty !== "string") return `key ${index + 1} has no type (kty)`;
		const missing = (partsByType.get(kty) ?? []).filter((part) => typeof key[part] !== "string");
		if (missing.length > 0) return `key ${index + 1} of type ${kty} has no ${missing.join(", ")}`;
	}
	return undefined;
}

function keysIn(text: string): readonly Readonly<Record<string, unknown>>[] {
	const value = parse(text);
	const keys: readonly unknown[] = isMapping(value) && Array.isArray(value.keys) ? value.keys : [];
	return keys.filter(isMapping);
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}
