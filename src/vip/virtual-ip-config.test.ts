// What a node makes of VirtualIP resources.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "../resources/read-resources.ts";
import { type NodeFacts, type VirtualIp, type VirtualIpConfig, virtualIpConfig } from "./virtual-ip-config.ts";

const facts = (nodeName: string): NodeFacts => ({
	nodeName,
	interfaceFor: (address) => (address.startsWith("10.0.0.") ? "eth0" : undefined),
	key: ({ keyFile, secretName }) => (keyFile === "/key" ? "k1" : secretName === "vip" ? "k2" : undefined),
});

function configOf(specs: Readonly<Record<string, string>>, node = "a"): VirtualIpConfig {
	const text = Object.entries(specs)
		.map(
			([name, spec]) =>
				`apiVersion: keepmesh.io/v1alpha1\nkind: VirtualIP\nmetadata: {name: ${name}}\nspec:\n${spec.replace(/^(?=.)/gm, "  ")}\n`,
		)
		.join("---\n");
	const { objects, problems } = readResourceFile("vip.yaml", text);
	assert.deepEqual(
		problems.filter(({ severity }) => severity === "error"),
		[],
	);
	return virtualIpConfig(objects as readonly VirtualIp[], facts(node));
}

const base = "addresses: [10.0.0.100/24]\nvirtualRouterId: 51\n";

describe("a VirtualIP", () => {
	it("has a lease of its own namespace, with the times that are given", () => {
		const leaseOf = (lease: string) => configOf({ api: `${base}lease: ${lease}` }).config.instances[0]?.lease;
		assert.deepEqual(leaseOf("{name: api}"), { name: "api", namespace: "default" });
		assert.deepEqual(leaseOf("{name: api, namespace: x, directory: /leases, duration: 6s, maxDelay: 0s}"), {
			name: "api",
			namespace: "x",
			directory: "/leases",
			durationMs: 6000,
			maxDelayMs: 0,
		});
	});

	it("whose lease decides speaks to nobody, and its lease lasts five seconds", () => {
		const [instance] = configOf({ api: `${base}lease: {name: api, role: decides, whenUnreachable: release}` }).config
			.instances;
		assert.deepEqual(instance?.lease, {
			name: "api",
			namespace: "default",
			durationMs: 5000,
			decides: true,
			releasesWhenUnreachable: true,
		});
		assert.deepEqual(instance?.transport, { type: "unicast", peers: [], ttl: 255, checkSource: true });
		assert.deepEqual([instance?.fastHeartbeat, instance?.advertIntervalMs], [undefined, 100]);
	});

	it("is plain VRRP version 3 at one second beside a fast heartbeat, by default", () => {
		const [instance] = configOf({ api: base }).config.instances;
		assert.ok(instance);
		assert.deepEqual(
			[
				instance.name,
				instance.interface,
				instance.version,
				instance.advertIntervalMs,
				instance.priority,
				instance.transport,
			],
			["api", "eth0", 3, 1000, 100, { type: "multicast", group: "224.0.0.18" }],
		);
		assert.deepEqual(instance.fastHeartbeat, { intervalMs: 25, missed: 4, port: 15112 });
		assert.deepEqual(instance.health, { whenAllFail: "hold", holdDownMs: 10_000, maxHoldDownMs: 300_000 });
	});

	it("runs on the nodes that it names, each hearing the others", () => {
		const spec = `${base}transport: {type: unicast}\nnodes:\n- {node: a, priority: 150, sourceAddress: 10.0.0.1}\n- {node: b, priority: 100, sourceAddress: 10.0.0.2, interface: eth5}\n`;
		const on = (node: string) => configOf({ api: spec }, node).config.instances[0];
		assert.deepEqual(on("b")?.transport, {
			type: "unicast",
			source: "10.0.0.2",
			peers: [{ address: "10.0.0.1" }],
			ttl: 255,
			checkSource: true,
		});
		assert.deepEqual([on("a")?.priority, on("b")?.priority, on("b")?.interface], [150, 100, "eth5"]);
		assert.equal(on("c"), undefined);
	});

	it("takes keys from files and Secrets, and is left out when there is none", () => {
		const authentication = (place: string) => configOf({ api: `${base}authentication: {type: hmac, ${place}}` });
		assert.deepEqual(authentication("keyFile: /key").config.instances[0]?.authentication, { type: "hmac", key: "k1" });
		assert.deepEqual(authentication("secretName: vip").config.instances[0]?.authentication, {
			type: "hmac",
			key: "k2",
		});
		const none = authentication("keyFile: /other");
		assert.deepEqual([none.config.instances.length, none.problems[0]?.path], [0, "spec.authentication"]);
	});

	it("is left out where no interface fits, and says so", () => {
		const { config, problems } = configOf({ api: "addresses: [192.168.9.9/24]\nvirtualRouterId: 51" });
		assert.deepEqual(config.instances, []);
		assert.match(problems[0]?.message ?? "", /no interface of a has a network that holds 192\.168\.9\.9/);
	});

	it("reads the words of ip in addresses and routes", () => {
		const [instance] = configOf({
			api: `addresses: ["10.0.0.100/24 dev eth1 label eth1:0"]\nvirtualRouterId: 51\nroutes: ["default via 10.0.0.1 dev eth1 table 100"]`,
		}).config.instances;
		assert.deepEqual(instance?.addresses, [
			{ address: "10.0.0.100", prefixLength: 24, interface: "eth1", label: "eth1:0" },
		]);
		assert.deepEqual(instance?.routes, [
			{ destination: "default", gateway: "10.0.0.1", interface: "eth1", table: 100 },
		]);
		const { problems } = configOf({ api: `${base}routes: ["default"]` });
		assert.deepEqual(
			problems.map(({ path }) => path),
			["spec.routes[0]"],
		);
	});
});

describe("checks", () => {
	it("are dead unless they say otherwise, and probe each 50 ms", () => {
		const { trackers, instances } = configOf({
			api: `${base}checks: [{name: envoy, envoyReady: {}}, {name: kube, apiServer: {}}, {name: db, tcp: {port: 5432}}]`,
		}).config;
		assert.deepEqual(trackers[0], {
			name: "envoy",
			weight: 0,
			reverse: false,
			rise: 10,
			fall: 2,
			startsFailed: false,
			firstResultDecides: false,
			failureClass: "dead",
			check: {
				type: "http",
				url: "http://127.0.0.1:15021/healthz/ready",
				insecure: false,
				intervalMs: 50,
				timeoutMs: 250,
			},
		});
		assert.deepEqual(trackers[1]?.check, {
			type: "http",
			url: "https://127.0.0.1:6443/livez",
			insecure: true,
			intervalMs: 50,
			timeoutMs: 250,
		});
		assert.deepEqual(trackers[2]?.check, {
			type: "tcp",
			host: "127.0.0.1",
			port: 5432,
			intervalMs: 50,
			timeoutMs: 250,
		});
		assert.deepEqual(
			instances[0]?.tracked.map(({ tracker }) => tracker),
			["envoy", "kube", "db"],
		);
	});

	it("that degrade cross the widest gap between the nodes, so that a healthy one always comes first", () => {
		const spec = `${base}nodes: [{node: a, priority: 150}, {node: b, priority: 120}, {node: c, priority: 100}]\nchecks: [{name: web, http: {url: "http://127.0.0.1/"}, class: degraded}]`;
		const [web] = configOf({ api: spec }).config.trackers;
		assert.deepEqual([web?.weight, web?.failureClass], [-51, "degraded"]);
		assert.equal(
			configOf({ api: `${base}checks: [{name: web, tcp: {port: 1}, class: degraded}]` }).config.trackers[0]?.weight,
			-50,
		);
	});

	it("of one name are run once when they are the same, and apart when not", () => {
		const check = (port: number, weight: number) =>
			`${base.replace("51", String(port))}checks: [{name: web, tcp: {port: 80}, weight: ${weight}}]`;
		const same = configOf({ x: check(51, -5), y: check(52, -9) }).config;
		assert.deepEqual(
			same.trackers.map(({ name }) => name),
			["web"],
		);
		assert.deepEqual(
			same.instances.map(({ tracked }) => tracked[0]?.weight),
			[-5, -9],
		);
		const other = configOf({ x: check(51, -5), y: check(52, -5).replace("80", "81") }).config;
		assert.deepEqual(
			other.trackers.map(({ name }) => name),
			["web", "y/web"],
		);
	});
});
