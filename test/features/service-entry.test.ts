// Ways in which a ServiceEntry's hosts are found, through a real Envoy.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
	endpoint,
	endpointsOf,
	endpointsView,
	outboundView,
	rule,
	serviceView,
} from "../../src/envoy/views.testing.ts";
import type { MeshService } from "../../src/model/service.ts";
import { type RunningEnvoy, startEnvoy, startUpstream, type Upstream } from "./mesh-under-test.ts";

const outside: Partial<MeshService> = { registry: "serviceEntry", meshExternal: true, addresses: [] };

describe("ServiceEntry through Envoy", () => {
	let upstream: Upstream | undefined;
	let envoy: RunningEnvoy | undefined;

	before(async () => {
		upstream = await startUpstream("outside");
		const { port } = upstream;
		const byDns = serviceView("dns.example.com", { ...outside, discovery: "dns" });
		const oneByDns = serviceView("one.example.com", { ...outside, discovery: "dnsRoundRobin" });
		const found = [byDns, oneByDns].map((view) => ({
			...view,
			endpoints: endpointsOf(view, [endpoint("localhost", { port })]),
		}));
		const dynamic = serviceView("*.dynamic.example.com", { ...outside, discovery: "dynamicDns" });
		// The names of the test cannot be resolved, so the rule names one that can.
		const route = {
			rewrite: { authority: `localhost:${port}` },
			route: [{ destination: { host: "*.dynamic.example.com" } }],
		};
		const rules = [rule(["*.dynamic.example.com"], [route])];
		const view = outboundView([dynamic, ...found], rules, { outboundTrafficPolicy: "REGISTRY_ONLY" });
		envoy = await startEnvoy(view, endpointsView([]), "9080");
	});

	after(async () => {
		await envoy?.close();
		await upstream?.close();
	});

	const hosts = [
		["resolution DNS: its endpoints' names are resolved", "dns.example.com", "outside"],
		["resolution DNS_ROUND_ROBIN: so is its only endpoint's", "one.example.com", "outside"],
		["resolution DYNAMIC_DNS: the host that the client asks for is resolved", "any.dynamic.example.com", "outside"],
	] as const;
	for (const [title, host, server] of hosts) {
		it(title, async () => {
			assert.equal((await envoy?.ask(host))?.seen?.server, server);
		});
	}

	it("outboundTrafficPolicy REGISTRY_ONLY: a host that nobody declared is answered with 502", async () => {
		assert.equal((await envoy?.ask("unknown.example.com"))?.status, 502);
	});
});
