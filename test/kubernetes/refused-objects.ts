// Objects that the API server itself refuses, by the schemas and rules of the definitions, whether a control plane is there or not.

import { keepmeshObject, routeTo, type TestObject, virtualService } from "./mesh-objects.ts";

export const virtualIp = (spec: object): TestObject =>
	keepmeshObject("VirtualIP", "a", { addresses: ["10.0.0.1/24"], virtualRouterId: 1, ...spec });

/** What it is, the object, and what the API server says of it. */
export const refusedObjects: readonly (readonly [string, TestObject, RegExp])[] = [
	["a duration without unit", virtualService("a", routeTo("a", { timeout: "5" })), /must be a duration from 1ms/],
	["a duration of nothing", virtualService("a", routeTo("a", { timeout: "0s" })), /must be a duration from 1ms/],
	[
		"a field that there is not",
		virtualService("a", routeTo("a", { rout: [] })),
		/unknown field "spec\.http\[0\]\.rout"/,
	],
	[
		"a port out of range",
		virtualService("a", routeTo("a", { match: [{ port: 70_000 }] })),
		/less than or equal to 65535/,
	],
	["IPv6 in VRRP 2", virtualIp({ addresses: ["fd00::1/64"], version: 2 }), /version 2 has no IPv6/],
	[
		"a check of two things",
		virtualIp({ checks: [{ name: "a", tcp: { port: 1 }, envoyReady: {} }] }),
		/set one of script/,
	],
	["a check of nothing", virtualIp({ checks: [{ name: "a" }] }), /set one of script/],
	["a key from nowhere", virtualIp({ authentication: { type: "hmac" } }), /one of secretName and keyFile/],
	["peers of everybody", virtualIp({ transport: { peers: ["10.0.0.2"] } }), /peers belong to unicast/],
	["a short lease", keepmeshObject("HotSwitch", "a", { heartbeat: "50ms", lease: "99ms" }), /twice the heartbeat/],
	["a step twice", keepmeshObject("HotSwitch", "a", { steps: ["direct", "direct"] }), /[Dd]uplicate/],
	[
		"a pool that ends before it begins",
		keepmeshObject("VirtualIPPool", "a", { addresses: ["10.0.0.0/28"], virtualRouterIds: { from: 9, to: 3 } }),
		/from must not be above to/,
	],
	[
		"distribute beside failover",
		keepmeshObject("MeshConfig", "a", {
			localityLbSetting: { distribute: [{ from: "a" }], failover: [{ from: "a", to: "b" }] },
		}),
		/exclude each other/,
	],
	["a cluster without kubeconfig", keepmeshObject("RemoteCluster", "a", {}), /spec\.kubeconfig: Required/],
];
