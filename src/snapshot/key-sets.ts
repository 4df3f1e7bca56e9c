// The keys that tokens are checked with: which rules have to have theirs fetched, from where, and what was fetched.

import type { JwtRule } from "../resources/kinds/security.ts";
import { parseDurationMs } from "../resources/text/duration.ts";

/** Address, as in NeededKeySet, -> JSON text of the key set. */
export type KeySets = ReadonlyMap<string, string>;

export interface NeededKeySet {
	/** Names the key set; where to begin. */
	readonly uri: string;
	/** `discovery`: an OpenID configuration is there, whose `jwks_uri` leads to the key set. */
	readonly kind: "keySet" | "discovery";
	/** The first in order of those whose tokens it is for. */
	readonly issuer: string;
	/** For each fetch; the longest that a rule allows. */
	readonly timeoutMs: number;
}

const defaultTimeoutMs = 5000;

/** What a rule needs fetched; undefined when its keys are in it. */
export function neededBy(rule: JwtRule): NeededKeySet | undefined {
	if (rule.jwks) return undefined;
	const { issuer } = rule;
	const timeoutMs = (rule.timeout === undefined ? undefined : parseDurationMs(rule.timeout)) ?? defaultTimeoutMs;
	if (rule.jwksUri) return { uri: rule.jwksUri, kind: "keySet", issuer, timeoutMs };
	return { uri: `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, kind: "discovery", issuer, timeoutMs };
}

export function keySetOf(rule: JwtRule, keySets: KeySets): string | undefined {
	const needed = neededBy(rule);
	return needed === undefined ? rule.jwks : keySets.get(needed.uri);
}
