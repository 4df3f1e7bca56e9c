// The record of one pod's redirect as Istio's init container left it, and its text form in a file. A file that this version
// cannot read is told apart from none.

import type { RedirectTable } from "./find-redirect.ts";

export interface AdoptedPart {
	readonly backend: "nft" | "legacy";
	readonly family: 4 | 6;
	readonly tables: readonly RedirectTable[];
}

/** TPROXY mode: marked packets are looked up in a table that takes them for local. */
export interface AdoptedRouting {
	readonly family: 4 | 6;
	/** Words behind `ip rule add`: `pref 32765 from all fwmark 0x539 lookup 133`. */
	readonly rules: readonly string[];
	/** Words behind `ip route add`: `local default dev lo scope host table 133`. */
	readonly routes: readonly string[];
}

export interface AdoptedRedirect {
	readonly version: 1;
	readonly namespace: { readonly id: string; readonly inode: number; readonly path: string };
	readonly savedMs: number;
	readonly parts: readonly AdoptedPart[];
	readonly routing: readonly AdoptedRouting[];
}

export function parseAdopted(text: string): AdoptedRedirect | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return isAdopted(value) ? value : undefined;
	} catch {
		return undefined;
	}
}

/** Only this program writes the file, as a whole: its version stands for its shape. */
function isAdopted(value: unknown): value is AdoptedRedirect {
	return (
		typeof value === "object" &&
		value !== null &&
		"version" in value &&
		value.version === 1 &&
		"parts" in value &&
		Array.isArray(value.parts) &&
		"routing" in value &&
		Array.isArray(value.routing) &&
		"namespace" in value
	);
}

/** `ip rule show` lines that serve a mark, as words for `ip rule add`. */
export function routingRulesOf(mark: number, lines: readonly string[]): readonly string[] {
	return lines.flatMap((line) => {
		const [, priority, rule] = /^(\d+):\s+(.*)$/.exec(line) ?? [];
		const [, value] = /\bfwmark (0x[0-9a-f]+|\d+)/.exec(rule ?? "") ?? [];
		return priority !== undefined && Number(value) === mark ? [`pref ${priority} ${rule?.trim()}`] : [];
	});
}

/** The routing table that a rule looks up. */
export const tableOfRule = (rule: string): string | undefined => /\blookup (\S+)/.exec(rule)?.[1];
