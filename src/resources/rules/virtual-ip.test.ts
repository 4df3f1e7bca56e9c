// Rules of VirtualIP.

import { describeRules } from "./rules.testing.ts";

const base = "addresses: [10.0.0.1/24]\nvirtualRouterId: 51\n";

describeRules("VirtualIP", [
	["the least", base],
	[
		"the whole of it",
		`${base}interface: eth0\nadvertInterval: 100ms\nnodes: [{node: a, priority: 150, sourceAddress: 10.0.0.2}, {node: b, priority: 100, sourceAddress: 10.0.0.3}]\ntransport: {type: unicast}\nauthentication: {type: hmac, keyFile: /k}\nchecks:\n- {name: web, http: {url: "http://127.0.0.1/"}, class: degraded}\n- {name: envoy, envoyReady: {}, class: dead, interval: 50ms, timeout: 200ms, rise: 5, fall: 2}\nwhenAllFail: hold\nfastHeartbeat: fast\nlease: {name: api}`,
	],
	["no VRID", "addresses: [10.0.0.1/24]", "error spec.virtualRouterId: "],
	["a VRID that is too high", "addresses: [10.0.0.1/24]\nvirtualRouterId: 256", "error spec.virtualRouterId"],
	["no address", "addresses: []\nvirtualRouterId: 51", "error spec.addresses"],
	["a name as address", "addresses: [vip]\nvirtualRouterId: 51", 'error spec.addresses[0]: "vip" is no address'],
	["an address without prefix length", "addresses: [10.0.0.1]\nvirtualRouterId: 51", "warning spec.addresses[0]"],
	[
		"two families",
		'addresses: [10.0.0.1/24, "2001:db8::1/64"]\nvirtualRouterId: 51',
		"error spec.addresses[1]: the addresses of one VirtualIP",
	],
	["IPv6 with version 2", 'addresses: ["fe80::1/64"]\nvirtualRouterId: 51\nversion: 2', "error spec.version"],
	[
		"half a second in version 2",
		`${base}version: 2\nadvertInterval: 500ms`,
		"error spec.advertInterval: version 2 has whole seconds",
	],
	["15 ms in version 3", `${base}advertInterval: 15ms`, "error spec.advertInterval: version 3 has steps of 10ms"],
	["a node twice", `${base}nodes: [{node: a, priority: 1}, {node: a, priority: 2}]`, "error spec.nodes[1].node"],
	[
		"the same priority twice",
		`${base}nodes: [{node: a}, {node: b}]`,
		"warning spec.nodes[1].priority: b and a have the same priority 100",
	],
	[
		"two owners",
		`${base}nodes: [{node: a, priority: 255}, {node: b, priority: 255}]`,
		"warning spec.nodes[1].priority",
		"error spec.nodes: two nodes have priority 255",
	],
	["unicast without peers", `${base}transport: {type: unicast}`, "error spec.transport: unicast needs peers"],
	[
		"unicast to a node without address",
		`${base}transport: {type: unicast}\nnodes: [{node: a, priority: 2, sourceAddress: 10.0.0.2}, {node: b}]`,
		"error spec.nodes: b has no sourceAddress",
	],
	["peers of multicast", `${base}transport: {peers: [10.0.0.2]}`, "error spec.transport.peers"],
	[
		"a password in version 3",
		`${base}authentication: {type: pass, keyFile: /k}`,
		"error spec.authentication.type",
		"warning spec.authentication.type",
	],
	["authentication without key", `${base}authentication: {type: hmac}`, "error spec.authentication: one of"],
	["a check of nothing", `${base}checks: [{name: a}]`, "error spec.checks[0]: the check says nothing"],
	[
		"a check of two things",
		`${base}checks: [{name: a, interface: eth1, tcp: {port: 80}}]`,
		"error spec.checks[0]: the check says interface and tcp",
	],
	[
		"a check twice",
		`${base}checks: [{name: a, interface: eth1}, {name: a, interface: eth2}]`,
		"error spec.checks[1].name",
	],
	[
		"a check that is dead and weighs",
		`${base}checks: [{name: a, interface: eth1, class: dead, weight: -5}]`,
		"error spec.checks[0].weight",
	],
	["a URL of something else", `${base}checks: [{name: a, http: {url: "ftp://x"}}]`, "error spec.checks[0].http.url"],
	[
		"an interval that is too short",
		`${base}checks: [{name: a, tcp: {port: 80}, interval: 1ms}]`,
		"error spec.checks[0].interval",
	],
	[
		"a weight beside 255",
		`${base}priority: 255\nchecks: [{name: a, tcp: {port: 80}, class: degraded}]`,
		"warning spec.checks: a weight cannot lower priority 255",
	],
	[
		"a lease in a directory of its own",
		`${base}lease: {name: web, directory: leases}`,
		'error spec.lease.directory: "leases" is not absolute',
	],
	["a lease that runs out at once", `${base}lease: {name: web, duration: 1500ms}`, "error spec.lease.duration"],
	["a lease that delays too long", `${base}lease: {name: web, maxDelay: 2m}`, "error spec.lease.maxDelay"],
	["a lease that decides", `${base}lease: {name: web, role: decides, whenUnreachable: release}`],
	[
		"a delay of a lease that decides",
		`${base}lease: {name: web, role: decides, maxDelay: 1s}`,
		"error spec.lease.maxDelay",
	],
	[
		"an adviser that takes addresses away",
		`${base}lease: {name: web, whenUnreachable: release}`,
		"error spec.lease.whenUnreachable",
	],
	["nodes by their labels", `${base}nodeSelector: {role: edge}\ntransport: {type: unicast}`],
	["a misspelt field", `${base}virtualRouterID: 51`, "error spec.virtualRouterID"],
]);

describeRules("VirtualIPPool", [
	["a pool of both families", 'addresses: [10.0.0.100-10.0.0.120, "2001:db8::/120", 10.0.0.7]'],
	["no addresses", "addresses: []", "error spec.addresses"],
	["ends before beginnings", "addresses: [10.0.0.9-10.0.0.3]", "error spec.addresses[0]"],
	["spans across families", 'addresses: ["10.0.0.9-2001:db8::1"]', "error spec.addresses[0]"],
	["names", "addresses: [edge]", "error spec.addresses[0]"],
	[
		"VRIDs the wrong way round",
		"addresses: [10.0.0.9]\nvirtualRouterIds: {from: 9, to: 3}",
		"error spec.virtualRouterIds",
	],
	["a check that checks nothing", "addresses: [10.0.0.9]\nchecks: [{name: a}]", "error spec.checks[0]"],
]);
