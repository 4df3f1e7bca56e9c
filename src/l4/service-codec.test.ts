import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Layer4Service } from "./layer4-service.ts";
import { decodeLayer4Service, encodeLayer4Service } from "./service-codec.ts";

const plain: Layer4Service = {
	namespace: "default",
	name: "reviews",
	clusterAddresses: ["10.96.0.7"],
	externalAddresses: [],
	loadBalancerAddresses: [],
	ports: [
		{
			name: "",
			protocol: "tcp",
			port: 9080,
			endpoints: [{ address: "10.0.0.1", port: 9080, ready: true, serving: true, terminating: false }],
		},
	],
	externalPolicy: "Cluster",
	internalPolicy: "Cluster",
	sourceRanges: [],
};

const everything: Layer4Service = {
	namespace: "shop",
	name: "dns",
	unallocated: ["nodePort", "ipv6"],
	clusterAddresses: ["10.96.0.10", "fd00::10"],
	externalAddresses: ["192.0.2.7"],
	loadBalancerAddresses: ["198.51.100.1"],
	ports: [
		{
			name: "dns-udp",
			protocol: "udp",
			port: 53,
			nodePort: 30_053,
			endpoints: [
				{
					address: "10.0.0.2",
					port: 5353,
					node: "n1",
					zone: "a",
					ready: false,
					serving: true,
					terminating: true,
					hintZones: ["a"],
					hintNodes: ["n1"],
				},
			],
		},
		{ name: "none", protocol: "sctp", port: 99, endpoints: [] },
	],
	affinity: { timeoutSec: 10_800 },
	externalPolicy: "Local",
	internalPolicy: "Local",
	sourceRanges: ["10.0.0.0/8"],
	healthCheckNodePort: 31_000,
	trafficDistribution: "PreferClose",
	scheduler: "maglev",
	backend: "ipvs",
};

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe("a Service on its way to the nodes", () => {
	it("comes out as it went in", () => {
		assert.deepEqual(decodeLayer4Service(encodeLayer4Service(plain)), plain);
		assert.deepEqual(decodeLayer4Service(encodeLayer4Service(everything)), everything);
	});

	it("does not carry what says nothing", () => {
		const text = new TextDecoder().decode(encodeLayer4Service(plain));
		assert.equal(
			text,
			'{"namespace":"default","name":"reviews","clusterAddresses":["10.96.0.7"],"ports":[{"protocol":"tcp","port":9080,"endpoints":[{"address":"10.0.0.1","port":9080}]}]}',
		);
	});

	it("is read although it has fields and words that this version does not know", () => {
		const newer = {
			namespace: "default",
			name: "reviews",
			clusterAddresses: ["10.96.0.7"],
			mood: "good",
			scheduler: "psychic",
			backend: "abacus",
			externalPolicy: "Galaxy",
			ports: [
				{
					protocol: "tcp",
					port: 9080,
					hop: 3,
					endpoints: [{ address: "10.0.0.1", port: 9080, taste: "sweet" }, { port: 1 }, 7],
				},
				{ protocol: "quic", port: 443, endpoints: [] },
				{ protocol: "tcp", port: 70_000 },
			],
		};
		assert.deepEqual(decodeLayer4Service(bytesOf(newer)), plain);
	});

	it("is refused when it has no name or is no JSON object", () => {
		for (const bad of [[], 7, null, {}, { namespace: "a" }, { namespace: "", name: "b" }])
			assert.equal(decodeLayer4Service(bytesOf(bad)), undefined);
		assert.equal(decodeLayer4Service(Uint8Array.of(0xff, 0xfe)), undefined);
		assert.equal(decodeLayer4Service(new TextEncoder().encode("{")), undefined);
	});
});
