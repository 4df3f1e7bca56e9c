import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { FilterChainMatchSchema } from "../../envoy/gen/envoy/config/listener/v3/listener_components_pb.ts";
import { type Listener, ListenerSchema } from "../../envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { httpInspector, originalDst } from "../../envoy/listener/listener-filters.ts";
import { socketAddress } from "../../envoy/listener/socket-address.ts";
import { joinOutbound } from "./join-outbound.ts";

type Match = MessageInitShape<typeof FilterChainMatchSchema>;

function handedTo(address: string, port: number, chains: Readonly<Record<string, Match>>, otherwise: string): Listener {
	return create(ListenerSchema, {
		address: socketAddress(address, port),
		bindToPort: false,
		filterChains: Object.entries(chains).map(([name, filterChainMatch]) => ({ name, filterChainMatch })),
		defaultFilterChain: { name: otherwise },
		listenerFilters: Object.keys(chains).length > 0 ? [httpInspector] : [],
	});
}

function joined(...listeners: readonly Listener[]): Listener {
	const virtual = create(ListenerSchema, {
		useOriginalDst: true,
		listenerFilters: [originalDst],
		filterChains: [
			{ name: "blackhole", filterChainMatch: { destinationPort: 15_001 } },
			{ name: "catch-all", filterChainMatch: {} },
		],
	});
	joinOutbound(virtual, listeners);
	return virtual;
}

/** `NAME port RANGES TRANSPORT PROTOCOLS SNI` of each chain. */
function chainsOf(listener: Listener): readonly string[] {
	return listener.filterChains.map(({ name, filterChainMatch: match }) =>
		[
			name,
			match?.destinationPort,
			match?.prefixRanges.map((range) => `${range.addressPrefix}/${range.prefixLen}`).join(),
			match?.transportProtocol,
			match?.applicationProtocols.join(),
			match?.serverNames.join(),
		].join(" "),
	);
}

const http = { transportProtocol: "raw_buffer", applicationProtocols: ["http/1.1"] };

describe("outbound listeners of a pod as one", () => {
	it("send what matches no port where the listener for everything sends it", () => {
		const listener = joined(handedTo("0.0.0.0", 80, { http }, "rest"));
		assert.equal(listener.defaultFilterChain?.name, "catch-all");
		assert.equal(listener.useOriginalDst, undefined);
		assert.ok(!chainsOf(listener).some((chain) => chain.startsWith("catch-all")));
	});

	it("repeat a listener's default wherever Envoy would find none: it does not step back", () => {
		const tls = { transportProtocol: "tls", serverNames: ["a.example"] };
		assert.deepEqual(chainsOf(joined(handedTo("0.0.0.0", 80, { http, tls }, "rest"))), [
			"blackhole 15001    ",
			"http 80  raw_buffer http/1.1 ",
			"tls 80  tls  a.example",
			"rest 80    ",
			"rest 80  raw_buffer  ",
			"rest 80    a.example",
		]);
	});

	it("let the listener of an address go before a range of the wildcard with the same address", () => {
		const range = { prefixRanges: [{ addressPrefix: "10.96.0.1", prefixLen: 32 }] };
		const wildcard = handedTo("0.0.0.0", 80, { range }, "rest");
		assert.deepEqual(chainsOf(joined(wildcard, handedTo("10.96.0.1", 80, {}, "own"))), [
			"blackhole 15001    ",
			"own 80 10.96.0.1/32   ",
			"rest 80    ",
		]);
	});

	it("read only connections to ports whose listener reads", () => {
		const { listenerFilters } = joined(
			handedTo("0.0.0.0", 80, { http }, "rest"),
			handedTo("10.96.0.1", 3306, {}, "db"),
		);
		assert.deepEqual(
			listenerFilters.map(({ name, filterDisabled }) => [name, filterDisabled?.rule.case]),
			[
				["envoy.filters.listener.original_dst", undefined],
				["envoy.filters.listener.http_inspector", "notMatch"],
			],
		);
		const rule = listenerFilters[1]?.filterDisabled?.rule;
		assert.ok(rule?.case === "notMatch" && rule.value.rule.case === "destinationPortRange");
		assert.equal(rule.value.rule.value.start, 80);
	});
});
