import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { encodeResource } from "../encode-resource.ts";
import { envoyRefuses } from "../envoy-validates.testing.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { parseAddressRange } from "./address-range.ts";
import { FilterChains } from "./filter-chains.ts";
import { socketAddress } from "./socket-address.ts";
import { tcpProxy } from "./tcp-proxy.ts";

const filters = [tcpProxy(defaultMeshSettings, { clusters: [{ name: "a", weight: 1 }] })];
const options = { name: "chain", filters };

describe("filter chains", () => {
	it("leave a later chain only what an earlier one did not take", () => {
		const chains = new FilterChains();
		assert.equal(chains.add({ serverNames: ["a.example", "B.example"] }, options), true);
		assert.equal(chains.add({ serverNames: ["b.example", "c.example"] }, options), true);
		assert.equal(chains.add({ serverNames: ["a.example"] }, options), false);
		assert.deepEqual(
			chains.list().map((chain) => chain.filterChainMatch?.serverNames),
			[["a.example", "b.example"], ["c.example"]],
		);
	});

	it("see that two ranges are the same once their host bits are cleared", () => {
		const chains = new FilterChains();
		chains.add({ ranges: ["10.1.2.3/8"] }, options);
		assert.equal(chains.add({ ranges: ["10.0.0.0/8"] }, options), false);
		assert.equal(chains.add({ ranges: ["0.0.0.0/0"] }, options), true);
	});

	it("drop a chain none of whose restrictions Envoy could read, rather than let it match everything", () => {
		const chains = new FilterChains();
		assert.equal(chains.add({ serverNames: ["*odd.example"] }, options), false);
		assert.equal(chains.add({ ranges: ["banana"] }, options), false);
		assert.equal(chains.size, 0);
	});

	it("are what keeps Envoy from refusing the listener", () => {
		const listenerOf = (chains: FilterChains, again: boolean) =>
			encodeResource(ListenerSchema, "l", {
				name: "l",
				address: socketAddress("127.0.0.1", 7000),
				filterChains: again ? [...chains.list(), ...chains.list()] : chains.list(),
			});
		const chains = new FilterChains();
		chains.add({ serverNames: ["a.example"] }, options);
		assert.equal(envoyRefuses({ listeners: [listenerOf(chains, false)] }), "");
		assert.match(envoyRefuses({ listeners: [listenerOf(chains, true)] }), /same matching rules|matcher|overlap/);
	});
});

describe("an address range", () => {
	for (const [text, expected] of [
		["10.1.2.3", "10.1.2.3/32"],
		["10.1.2.3/8", "10.0.0.0/8"],
		["10.255.2.3/12", "10.240.0.0/12"],
		["0.0.0.0/0", "0.0.0.0/0"],
		["fd00::1", "fd00::1/128"],
		["FD00:0:0:1::/36", "fd00::/36"],
		["2001:db8:ffff::1/40", "2001:db8:ff00::/40"],
		["::/0", "::/0"],
		["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128"],
		["64:ff9b::10.1.2.3", "64:ff9b::a01:203/128"],
		["::ffff:10.1.2.3", "10.1.2.3/32"],
		["::ffff:a01:203/104", "10.0.0.0/8"],
		["::ffff:0:0/96", "0.0.0.0/0"],
		["::ffff:0:0/95", "::fffe:0:0/95"],
	] as const) {
		it(`of ${text} is ${expected}`, () => {
			const range = parseAddressRange(text);
			assert.equal(`${range?.addressPrefix}/${range?.prefixLen}`, expected);
		});
	}

	for (const text of [
		"",
		"10.1.2",
		"10.1.2.256",
		"10.1.2.3/33",
		"10.1.2.3/x",
		"fd00:::1",
		"1:2:3",
		"fd00::1/129",
		"::ffff:10.1.2",
		"::ffff:10.1.2.256",
		"::ffff:10.1.2.3/129",
		":10.1.2.3",
		"a/b/c",
	]) {
		it(`of ${text || "nothing"} is none`, () => assert.equal(parseAddressRange(text), undefined));
	}
});
