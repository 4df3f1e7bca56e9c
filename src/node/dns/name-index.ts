// The names that this machine's DNS answers. In: name tables of its proxies, or the file the agent wrote from them. Out: an
// index that tells a name's addresses, or that it exists without any, or that nothing is known.

import { addressData } from "./dns-message.ts";

/** What stands in name-table.json: host name (maybe `*.` first) -> addresses. */
export type NameTableFile = { readonly names: Readonly<Record<string, readonly string[]>> };

export interface NameAddresses {
	/** Record data, 4 bytes each. */
	readonly a: readonly Uint8Array[];
	/** 16 bytes each. */
	readonly aaaa: readonly Uint8Array[];
}

export type Lookup =
	| ({ readonly type: "found" } & NameAddresses)
	/** The name has no addresses, but names below it exist. */
	| { readonly type: "exists" }
	| { readonly type: "unknown" };

export interface NameIndex {
	/** The key is lower case, without a final dot. */
	lookup(key: string): Lookup;
	readonly size: number;
}

export function indexNames(file: NameTableFile): NameIndex {
	const exact = new Map<string, NameAddresses>();
	const wildcards = new Map<string, NameAddresses>();
	const ancestors = new Set<string>();
	for (const [text, ips] of Object.entries(file.names)) {
		const name = text.toLowerCase().replace(/\.$/, "");
		const data = ips.map(addressData).filter((item) => item !== undefined);
		const addresses: NameAddresses = {
			a: data.filter((item) => item.data.length === 4).map((item) => item.data),
			aaaa: data.filter((item) => item.data.length === 16).map((item) => item.data),
		};
		const wildcard = name.startsWith("*.");
		const base = wildcard ? name.slice(2) : name;
		(wildcard ? wildcards : exact).set(base, addresses);
		for (let parent = wildcard ? base : parentOf(base); parent !== ""; parent = parentOf(parent)) ancestors.add(parent);
	}
	return {
		size: exact.size + wildcards.size,
		lookup: (key) => {
			const own = exact.get(key);
			if (own) return { type: "found", ...own };
			// RFC 4592: a name that exists, be it only as the parent of others, hides the wildcards above it.
			if (ancestors.has(key)) return { type: "exists" };
			for (let parent = parentOf(key); parent !== ""; parent = parentOf(parent)) {
				const wildcard = wildcards.get(parent);
				if (wildcard) return { type: "found", ...wildcard };
			}
			return { type: "unknown" };
		},
	};
}

/** Undefined when the text is no name table. */
export function parseNameTableFile(text: string): NameTableFile | undefined {
	try {
		const value: unknown = JSON.parse(text);
		if (typeof value !== "object" || value === null || !("names" in value)) return undefined;
		const { names } = value;
		if (typeof names !== "object" || names === null) return undefined;
		const isList = (ips: unknown): boolean => Array.isArray(ips) && ips.every((ip) => typeof ip === "string");
		return Object.values(names).every(isList) ? (value as NameTableFile) : undefined;
	} catch {
		return undefined;
	}
}

/**
 * One table for the machine out of those of its proxies. Where two give a name different addresses, the proxy whose id comes
 * first decides, so the outcome does not depend on the order of arrival.
 */
export function mergeNameTables(
	tables: ReadonlyMap<string, ReadonlyMap<string, { readonly ips: readonly string[] }>>,
): NameTableFile {
	const names = new Map<string, readonly string[]>();
	for (const proxyId of [...tables.keys()].sort())
		for (const [name, info] of tables.get(proxyId) ?? []) if (!names.has(name)) names.set(name, info.ips);
	return { names: Object.fromEntries([...names].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function parentOf(name: string): string {
	const dot = name.indexOf(".");
	return dot < 0 ? "" : name.slice(dot + 1);
}
