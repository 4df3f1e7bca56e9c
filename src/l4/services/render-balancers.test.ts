import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backend, Balancer, Front } from "../balancer.ts";
import { renderBackend, renderBalancers, renderFront } from "./render-balancers.ts";

const backend: Backend = { address: "10.0.0.1", port: 80, weight: 1, local: false, forwarding: { method: "NAT" } };

describe("plans as text", () => {
	it("say affinity, ranges and both answers", () => {
		const balancer: Balancer = {
			owner: "shop/web:http",
			front: { family: "ipv6", type: "externalIP", address: "2001:db8::7" },
			protocol: "udp",
			port: 53,
			scheduler: "maglev",
			affinity: { timeoutSec: 60 },
			sourceRanges: ["2001:db8::/32", "fd00::/8"],
			outside: { type: "drop" },
			inside: { type: "balance", backends: [{ ...backend, address: "fd00::1", local: true }], masquerade: "always" },
		};
		assert.equal(
			renderBalancers([balancer, { ...balancer, outside: { type: "reject" } }])
				.split("\n")
				.slice(0, 5)
				.join("\n"),
			`shop/web:http [2001:db8::7]:53/udp (external): maglev, each client keeps its backend for 60 s, only from 2001:db8::/32, fd00::/8
  outside: dropped: endpoints only on other nodes
  inside: node's source
    [fd00::1]:80 here
shop/web:http [2001:db8::7]:53/udp (external): maglev, each client keeps its backend for 60 s, only from 2001:db8::/32, fd00::/8`,
		);
	});

	it("say what is unusual of a backend", () => {
		assert.equal(renderBackend(backend), "10.0.0.1:80");
		const tunnel = { method: "TUN", tunnel: "gue", port: 6080, checksum: "nocsum" } as const;
		assert.equal(
			renderBackend({ ...backend, weight: 0, forwarding: tunnel, upperThreshold: 100, lowerThreshold: 80 }),
			"10.0.0.1:80 weight 0 by gue tunnel to port 6080 up to 100 connections, again below 80",
		);
		assert.equal(renderBackend({ ...backend, forwarding: { method: "DR" } }), "10.0.0.1:80 by direct routing");
	});

	it("name every kind of front", () => {
		const fronts: readonly (readonly [Front, string])[] = [
			[{ family: "ipv4", type: "virtualServer", address: "10.0.0.9" }, "10.0.0.9:*/tcp (virtual server)"],
			[{ family: "ipv4", type: "mark", mark: 7 }, "packets marked 7 (ipv4)"],
			[{ family: "ipv6", type: "nodePort" }, "node port */tcp (ipv6)"],
		];
		for (const [front, expected] of fronts) assert.equal(renderFront({ front, port: 0, protocol: "tcp" }), expected);
	});
});
