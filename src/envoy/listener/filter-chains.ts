// Collects the filter chains of a listener so that no two match the same connection, which Envoy would refuse: the chain
// that came first keeps the match, a later one keeps what is left of its own.

import { create } from "@bufbuild/protobuf";
import type { zeroDuration } from "../ads-source.ts";
import type { TransportSocket } from "../gen/envoy/config/core/v3/base_pb.ts";
import {
	type Filter,
	type FilterChain,
	FilterChainSchema,
} from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { parseAddressRange } from "./address-range.ts";

/** Everything absent matches anything. */
export interface ChainMatch {
	readonly destinationPort?: number;
	/** Destination addresses or ranges. */
	readonly ranges?: readonly string[];
	readonly sourceRanges?: readonly string[];
	/** SNI: names, `*.suffix`, or `*` for any. */
	readonly serverNames?: readonly string[];
	readonly transport?: "tls" | "raw_buffer";
	readonly applicationProtocols?: readonly string[];
}

export interface ChainOptions {
	readonly name: string;
	readonly filters: readonly Filter[];
	readonly transportSocket?: TransportSocket;
	/** How long the TLS handshake may take. */
	readonly handshakeTimeout?: typeof zeroDuration;
}

export class FilterChains {
	private readonly taken = new Set<string>();
	private readonly chains: FilterChain[] = [];

	/** Returns false when nothing of the match was left, or nothing in it is valid. */
	add(match: ChainMatch, options: ChainOptions): boolean {
		const ranges = validRanges(match.ranges);
		const sourceRanges = validRanges(match.sourceRanges);
		const serverNames = validServerNames(match.serverNames);
		if (!ranges || !sourceRanges || !serverNames) return false;
		const protocols = match.applicationProtocols ?? [""];
		const free = new Map<string, string[]>();
		for (const range of ranges) {
			for (const serverName of serverNames) {
				const keys = sourceRanges.flatMap((source) =>
					protocols.map((protocol) =>
						[match.destinationPort ?? "", range, serverName, match.transport ?? "", protocol, source].join("|"),
					),
				);
				if (keys.some((key) => this.taken.has(key))) continue;
				for (const key of keys) this.taken.add(key);
				free.set(range, [...(free.get(range) ?? []), serverName]);
			}
		}
		for (const [names, together] of groupByNames(free)) {
			this.chains.push(filterChain(options, match, { ranges: together, sourceRanges, serverNames: names.split("|") }));
		}
		return free.size > 0;
	}

	get size(): number {
		return this.chains.length;
	}

	list(): FilterChain[] {
		return this.chains;
	}
}

/** A chain without a match, for `default_filter_chain`. */
export function defaultChain(options: ChainOptions): FilterChain {
	return create(FilterChainSchema, {
		name: options.name,
		filters: [...options.filters],
		...(options.transportSocket && { transportSocket: options.transportSocket }),
	});
}

function filterChain(
	options: ChainOptions,
	match: ChainMatch,
	left: {
		readonly ranges: readonly string[];
		readonly sourceRanges: readonly string[];
		readonly serverNames: readonly string[];
	},
): FilterChain {
	return create(FilterChainSchema, {
		name: options.name,
		filters: [...options.filters],
		filterChainMatch: {
			...(match.destinationPort !== undefined && { destinationPort: match.destinationPort }),
			prefixRanges: left.ranges.flatMap(rangeInit),
			sourcePrefixRanges: left.sourceRanges.flatMap(rangeInit),
			serverNames: left.serverNames.filter((name) => name !== ""),
			transportProtocol: match.transport ?? "",
			applicationProtocols: [...(match.applicationProtocols ?? [])],
		},
		...(options.transportSocket && { transportSocket: options.transportSocket }),
		...(options.handshakeTimeout && { transportSocketConnectTimeout: options.handshakeTimeout }),
	});
}

/** Ranges with the same names left share one chain. */
function groupByNames(free: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, readonly string[]> {
	const groups = new Map<string, string[]>();
	for (const [range, names] of free) {
		const key = names.join("|");
		groups.set(key, [...(groups.get(key) ?? []), range]);
	}
	return groups;
}

/** Canonical texts without duplicates; [""] for no restriction; undefined when a restriction was asked for but none is valid. */
function validRanges(texts: readonly string[] | undefined): readonly string[] | undefined {
	if (!texts || texts.length === 0) return [""];
	const ranges = texts.flatMap((text) => {
		const range = parseAddressRange(text);
		if (!range) return [];
		return [range.prefixLen === 0 ? "" : `${range.addressPrefix}/${range.prefixLen}`];
	});
	if (ranges.includes("")) return [""];
	return ranges.length > 0 ? [...new Set(ranges)] : undefined;
}

function rangeInit(text: string) {
	const range = text === "" ? undefined : parseAddressRange(text);
	return range ? [range] : [];
}

/** Envoy takes whole names and `*.suffix`, in lower case; anything else would refuse the listener. */
function validServerNames(names: readonly string[] | undefined): readonly string[] | undefined {
	if (!names || names.length === 0) return [""];
	if (names.includes("*")) return [""];
	const valid = names.map((name) => name.toLowerCase()).filter((name) => /^(?:\*\.)?[^*|]+$/.test(name));
	return valid.length > 0 ? [...new Set(valid)] : undefined;
}
