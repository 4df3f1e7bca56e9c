// The listener of redirected outbound connections, and those without a port that it hands them to -> one listener that
// decides by its filter chains. Envoy finds a listener to hand a connection to by address alone, whatever its network
// namespace: two pods' listeners of 0.0.0.0:80 would be taken for each other.

import { create } from "@bufbuild/protobuf";
import { type CidrRange, CidrRangeSchema } from "../../envoy/gen/envoy/config/core/v3/address_pb.ts";
import {
	type FilterChain,
	FilterChainMatchSchema,
	FilterChainSchema,
	type ListenerFilter,
} from "../../envoy/gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../../envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { parseAddressRange } from "../../envoy/listener/address-range.ts";
import { onlyForPorts } from "../../envoy/listener/listener-filters.ts";

interface Place {
	readonly port: number;
	/** Absent: every address. */
	readonly range?: CidrRange;
}

/** Changes `virtual`. `handedTo` are listeners with `bind_to_port` false. */
export function joinOutbound(virtual: Listener, handedTo: readonly Listener[]): void {
	const placed = handedTo.flatMap((listener) => {
		const place = placeOf(listener);
		return place ? [{ listener, place }] : [];
	});
	// An address of its own goes before the same address as a range of the wildcard.
	const taken = new Set<string>();
	const chains: FilterChain[] = [];
	for (const { listener, place } of placed.filter(({ place }) => place.range))
		chains.push(...chainsOf(listener, place, taken));
	for (const { listener, place } of placed.filter(({ place }) => !place.range))
		chains.push(...chainsOf(listener, place, taken));
	const own = virtual.filterChains;
	const otherwise = own.find((chain) => !chain.filterChainMatch || isAnything(chain));
	// A port with chains whose addresses do not match goes to the default, never to a chain without a port.
	if (otherwise)
		virtual.defaultFilterChain = create(FilterChainSchema, { name: otherwise.name, filters: otherwise.filters });
	virtual.filterChains = [...own.filter((chain) => chain !== otherwise), ...chains];
	virtual.listenerFilters = [...virtual.listenerFilters, ...joinedFilters(placed)];
	virtual.useOriginalDst = undefined;
	const timeouts = placed.flatMap(({ listener }) => listener.listenerFiltersTimeout ?? []);
	const limits = timeouts.filter(({ seconds, nanos }) => seconds > 0n || nanos > 0).sort((a, b) => msOf(a) - msOf(b));
	const timeout = limits[0] ?? timeouts[0];
	if (timeout) {
		virtual.listenerFiltersTimeout = timeout;
		virtual.continueOnListenerFiltersTimeout = true;
	}
}

const msOf = ({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): number =>
	Number(seconds) * 1000 + nanos / 1e6;

function placeOf({ address }: Listener): Place | undefined {
	if (address?.address.case !== "socketAddress") return undefined;
	const { address: text, portSpecifier } = address.address.value;
	if (portSpecifier.case !== "portValue") return undefined;
	const port = portSpecifier.value;
	if (text === "0.0.0.0" || text === "::") return { port };
	const range = parseAddressRange(text);
	return range && { port, range: create(CidrRangeSchema, range) };
}

function isAnything({ filterChainMatch }: FilterChain): boolean {
	return (
		filterChainMatch === undefined ||
		(filterChainMatch.destinationPort === undefined &&
			filterChainMatch.prefixRanges.length === 0 &&
			filterChainMatch.sourcePrefixRanges.length === 0 &&
			filterChainMatch.serverNames.length === 0 &&
			filterChainMatch.transportProtocol === "" &&
			filterChainMatch.applicationProtocols.length === 0)
	);
}

const rangeKey = (range: CidrRange | undefined): string =>
	range ? `${range.addressPrefix}/${range.prefixLen ?? ""}` : "";

/** `taken` are the places, port and range, of listeners that came before. */
function chainsOf(listener: Listener, place: Place, taken: Set<string>): FilterChain[] {
	const chains: FilterChain[] = [];
	const tree = new Map<string, Branch>();
	const branchOf = (range: CidrRange | undefined): Branch => {
		const branch = tree.get(rangeKey(range)) ?? { range, ends: new Set(), levels: new Map([["", new Set([""])]]) };
		tree.set(rangeKey(range), branch);
		return branch;
	};
	branchOf(place.range);
	for (const chain of listener.filterChains) {
		const match = chain.filterChainMatch ?? create(FilterChainMatchSchema);
		const wanted = match.prefixRanges.length > 0 ? match.prefixRanges : [place.range];
		const ranges = wanted.filter((range) => !taken.has(`${place.port}|${rangeKey(range)}`));
		if (ranges.length === 0) continue;
		match.destinationPort = place.port;
		match.prefixRanges = ranges.filter((range) => range !== undefined);
		chain.filterChainMatch = match;
		chains.push(chain);
		for (const range of ranges) noteIn(branchOf(range), match);
	}
	for (const branch of tree.values()) {
		const key = `${place.port}|${rangeKey(branch.range)}`;
		if (!taken.has(key)) chains.push(...defaultsOf(listener, place.port, branch));
		taken.add(key);
	}
	return chains;
}

/** What a listener's chains tell apart below one range of addresses. */
interface Branch {
	readonly range: CidrRange | undefined;
	/** Server name and transport where a chain without application protocols ends the search. */
	readonly ends: Set<string>;
	/** Transports by server name. */
	readonly levels: Map<string, Set<string>>;
}

interface Matched {
	readonly serverNames: readonly string[];
	readonly transportProtocol: string;
	readonly applicationProtocols: readonly string[];
}

function noteIn(branch: Branch, match: Matched): void {
	for (const serverName of match.serverNames.length > 0 ? match.serverNames : [""]) {
		const transports = branch.levels.get(serverName) ?? new Set([""]);
		transports.add(match.transportProtocol);
		branch.levels.set(serverName, transports);
		if (match.applicationProtocols.length === 0) branch.ends.add(`${serverName}|${match.transportProtocol}`);
	}
}

/**
 * The listener's default chain wherever a search among its chains could end with nothing: Envoy does not step back once a
 * server name or a transport has matched.
 */
function defaultsOf(listener: Listener, destinationPort: number, branch: Branch): FilterChain[] {
	const { defaultFilterChain } = listener;
	if (!defaultFilterChain) return [];
	const missing: FilterChain[] = [];
	for (const [serverName, transports] of branch.levels) {
		for (const transportProtocol of transports) {
			if (branch.ends.has(`${serverName}|${transportProtocol}`)) continue;
			missing.push(
				create(FilterChainSchema, {
					name: defaultFilterChain.name,
					filters: defaultFilterChain.filters,
					filterChainMatch: {
						destinationPort,
						prefixRanges: branch.range ? [branch.range] : [],
						serverNames: serverName === "" ? [] : [serverName],
						transportProtocol,
					},
				}),
			);
		}
	}
	return missing;
}

/** Each inspector once, for the ports whose listeners have it. */
function joinedFilters(placed: readonly { readonly listener: Listener; readonly place: Place }[]): ListenerFilter[] {
	const ports = new Map<string, { readonly filter: ListenerFilter; readonly ports: Set<number> }>();
	for (const { listener, place } of placed) {
		for (const filter of listener.listenerFilters) {
			const known = ports.get(filter.name) ?? { filter, ports: new Set() };
			known.ports.add(place.port);
			ports.set(filter.name, known);
		}
	}
	// What reads TLS comes before what reads HTTP, as in every listener.
	return [...ports.values()]
		.sort((a, b) => (a.filter.name < b.filter.name ? 1 : -1))
		.map(({ filter, ports }) =>
			onlyForPorts(
				filter,
				[...ports].sort((a, b) => a - b),
			),
		);
}
