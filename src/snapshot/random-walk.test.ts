// Random changes over a small mesh: after each, the snapshot that was changed step by step must show every proxy the same as
// one built from nothing, in another order; and what it says has changed must be what has changed.

import assert from "node:assert/strict";
import { it } from "node:test";
import {
	aDestinationRule,
	aGateway,
	aMeshConfig,
	aNamespace,
	anAuthorizationPolicy,
	anEndpointSlice,
	anObject,
	aPeerAuthentication,
	aPod,
	aProxy,
	applied,
	aRequestAuthentication,
	aSecret,
	aService,
	aServiceEntry,
	aSidecar,
	aVirtualService,
	aWorkloadEntry,
} from "../model/model.testing.ts";
import { type AnyObject, keyOf } from "../resources/config-object.ts";
import type { AuthorizationPolicySpec, MtlsMode } from "../resources/kinds/security.ts";
import { Dice } from "../runtime/seeded-random.testing.ts";
import type { Change } from "./change.ts";
import type { KeySets } from "./key-sets.ts";
import { nameTableFor } from "./name-table.ts";
import { applyKeySets, neededKeySets } from "./needed-key-sets.ts";
import { problemsOf } from "./resource-status.ts";
import type { UnproxiedWorkload } from "./serving-steps.ts";
import { applyChanges, applyServing, emptySnapshot, type Snapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const steps = 250;
const seeds = [1, 20_26, Number(process.env.KEEPMESH_SEED ?? Math.floor(Math.random() * 2 ** 31))];

for (const seed of seeds) {
	it(`a walk of ${steps} changes shows the same as building from nothing (KEEPMESH_SEED=${seed})`, () => walk(seed));
}

const proxies = [
	aProxy("a-1", { ipAddresses: ["10.0.0.1"], workloadCertificate: true, labels: { app: "a", version: "v1" } }),
	aProxy("b-1", { ipAddresses: ["10.0.0.3"], labels: { app: "b" }, namespace: "one" }),
	aProxy("c-1", { ipAddresses: ["10.0.0.5"], labels: { app: "c", version: "v2" }, namespace: "two" }),
	aProxy("edge-1", { type: "router", ipAddresses: ["10.0.0.9"], labels: { app: "edge" }, namespace: "one" }),
];

function walk(seed: number): void {
	const dice = new Dice(seed);
	const objects = new Map<string, AnyObject>();
	let snapshot = emptySnapshot();
	let keySets: KeySets = new Map();
	let unproxied: readonly UnproxiedWorkload[] = [];
	for (let step = 0; step < steps; step++) {
		const changes = Array.from({ length: dice.below(3) + 1 }, () => randomChange(dice, objects));
		for (const change of changes) {
			if (change.type === "objectApplied") objects.set(keyOf(change.object), change.object);
			else objects.delete(change.key);
		}
		const before = new Map(proxies.map((proxy) => [proxy.id, viewFor(snapshot, proxy)]));
		if (dice.chance(0.1)) keySets = new Map([["https://keys", dice.one(["1", "2"])]]);
		snapshot = applyKeySets(snapshot, keySets);
		if (dice.chance(0.3)) unproxied = Array.from({ length: dice.below(4) }, () => randomUnproxied(dice));
		snapshot = applyServing(snapshot, unproxied).snapshot;
		const next = applyChanges(snapshot, changes);
		const shuffled = applyChanges(emptySnapshot(), dice.shuffled(applied(...objects.values()))).snapshot;
		const scratch = applyServing(applyKeySets(shuffled, keySets), unproxied).snapshot;
		const where = `seed ${seed}, step ${step}: ${changes.map(described).join(", ")}`;
		assert.deepEqual(shown(next.snapshot), shown(scratch), where);
		checkChanged(snapshot, next, where);
		checkIdentity(before, next.snapshot, where);
		snapshot = next.snapshot;
	}
}

/** Everything that leaves the snapshot, as plain values. */
function shown(snapshot: Snapshot): unknown {
	return {
		problems: problemsOf(snapshot),
		keySets: neededKeySets(snapshot),
		proxies: proxies.map((proxy) => {
			const { endpoints, ...view } = viewFor(snapshot, proxy);
			const byService = [...endpoints.byService].sort(([a], [b]) => (a < b ? -1 : 1));
			return { id: proxy.id, ...view, byService, names: nameTableFor(snapshot, proxy) };
		}),
	};
}

function checkChanged(before: Snapshot, next: ReturnType<typeof applyChanges>, where: string): void {
	const after = next.snapshot;
	if (!next.changed.policies) assert.equal(after.policies, before.policies, where);
	if (!next.changed.routing) assert.equal(after.routing, before.routing, where);
	const moved = [...new Set([...before.endpoints.byService.keys(), ...after.endpoints.byService.keys()])].filter(
		(key) => before.endpoints.byService.get(key) !== after.endpoints.byService.get(key),
	);
	assert.deepEqual([...next.changed.endpoints].sort(), moved.sort(), where);
}

/** A part of a view that says the same is the same object. */
function checkIdentity(before: ReadonlyMap<string, ReturnType<typeof viewFor>>, after: Snapshot, where: string): void {
	for (const proxy of proxies) {
		const old = before.get(proxy.id);
		const view = viewFor(after, proxy);
		for (const part of ["outbound", "inbound", "gateway", "secrets"] as const) {
			if (old?.[part] === view[part]) continue;
			assert.notDeepEqual(view[part], old?.[part], `${part} of ${proxy.id} is equal but not identical; ${where}`);
		}
	}
}

function described(change: Change): string {
	return change.type === "objectRemoved"
		? `-${change.key}`
		: `${keyOf(change.object)}=${JSON.stringify(change.object.spec)}`;
}

function randomChange(dice: Dice, objects: ReadonlyMap<string, AnyObject>): Change {
	const keys = [...objects.keys()];
	if (keys.length > 0 && dice.chance(0.25)) return { type: "objectRemoved", key: dice.one(keys as [string]) };
	return { type: "objectApplied", object: randomObject(dice) };
}

function randomUnproxied(dice: Dice): UnproxiedWorkload {
	const name = dice.one(["a", "b", "c"]);
	const isMachine = dice.chance(0.3);
	return {
		namespace: dice.one(["default", "one", "two"]),
		name: isMachine ? `${name}-vm` : `${name}-${dice.below(2)}`,
		serviceAccount: isMachine ? name : dice.one(["x", "y", "default"]),
		node: "n1",
		isGranted: true,
		step: dice.one(["direct", "closed"]),
	};
}

function randomObject(dice: Dice): AnyObject {
	const namespace = dice.one(["default", "one", "two"]);
	const name = dice.one(["a", "b", "c"]);
	const host = dice.one(["a", "b", "c", "a.one.svc.cluster.local", "ext.example.com", "*.example.com"]);
	const exportTo = dice.chance(0.7) ? undefined : [dice.one(["*", ".", "one", "~"])];
	const meta = { namespace, createdMs: dice.below(3) };
	const address = `10.0.0.${dice.below(8) + 1}`;
	const labels = { app: dice.one(["a", "b", "c"]), version: dice.one(["v1", "v2"]) };
	const anywhere = { ...meta, namespace: dice.one([namespace, "istio-system"]) };
	const shared = exportTo === undefined ? {} : { exportTo };
	switch (dice.below(18)) {
		case 0:
		case 1: {
			const clusterIP = dice.chance(0.4) ? { clusterIP: dice.one(["10.96.0.1", "None"]) } : {};
			const targetPort = dice.one<number | string | undefined>([8080, "web", undefined]);
			const ports = [
				{ name: dice.one(["http", "tcp-x"]), port: 80, ...(targetPort === undefined ? {} : { targetPort }) },
			];
			const annotations: Record<string, string> =
				exportTo === undefined ? {} : { "networking.istio.io/exportTo": exportTo.join(",") };
			return aService(name, { ports, selector: { app: name }, ...clusterIP }, { ...meta, annotations });
		}
		case 2: {
			const ports = [{ name: "http", port: 8080 }];
			const addresses = Array.from({ length: dice.below(4) }, () => `10.0.0.${dice.below(8) + 1}`);
			return anEndpointSlice(name, addresses, ports, { namespace, name: `${name}-${dice.below(2)}` });
		}
		case 3:
		case 4: {
			const status = { podIP: address, conditions: [{ type: "Ready", status: dice.one(["True", "False"]) }] };
			const containers = [{ name: "x", ports: [{ name: "web", containerPort: 8080 }] }];
			const annotations: Record<string, string> = dice.chance(0.2) ? { "keepmesh.io/egress": "one/*" } : {};
			const serviceAccountName = dice.one(["x", "y", ""]);
			const spec = { status, containers, serviceAccountName };
			return aPod(`${name}-${dice.below(2)}`, address, spec, { namespace, labels, annotations });
		}
		case 5:
			return aWorkloadEntry(`${name}-vm`, { address, labels, weight: dice.below(3), serviceAccount: name }, meta);
		case 6: {
			const ports = [{ number: dice.one([80, 443]), name: "http", protocol: dice.one(["HTTP", "TLS"]) }];
			const resolution = dice.one<"STATIC" | "DNS" | "NONE">(["STATIC", "DNS", "NONE"]);
			const from = dice.chance(0.5) ? { workloadSelector: { labels: { app: name } } } : { endpoints: [{ address }] };
			return aServiceEntry(name, { hosts: [host, "second.example.com"], ports, resolution, ...from, ...shared }, meta);
		}
		case 7:
		case 8: {
			const match = dice.one([
				[],
				[{ sourceLabels: { app: "a" } }, { uri: { prefix: "/x" } }],
				[{ sourceNamespace: "one" }],
				[{ gateways: ["edge"], uri: { prefix: "/x" } }],
				[{ gateways: ["mesh"] }],
			]);
			const delegate = dice.chance(0.2) ? { delegate: { name: "b", namespace: "one" } } : {};
			const http = [{ match, route: [{ destination: { host: name, subset: "v1" } }], ...delegate }];
			const gateways = dice.chance(0.5) ? {} : { gateways: dice.one([["mesh", "edge"], ["one/edge"]]) };
			const hosts = dice.chance(0.2) ? {} : { hosts: [host, "www.example.com"] };
			return aVirtualService(name, { ...hosts, http, ...gateways, ...shared }, meta);
		}
		case 9: {
			const workloadSelector = dice.chance(0.3) ? { workloadSelector: { matchLabels: { app: "a" } } } : {};
			const tls = dice.chance(0.3)
				? { trafficPolicy: { tls: { mode: "SIMPLE" as const, credentialName: "cert" } } }
				: {};
			const subsets = [{ name: dice.one(["v1", "v2"]), labels }];
			return aDestinationRule(name, { host, subsets, ...tls, ...workloadSelector, ...shared }, meta);
		}
		case 10: {
			const egress = [{ hosts: [dice.one(["./*", "one/*", "*/*.example.com", "~/*", "*/a.one.svc.cluster.local"])] }];
			const selector = dice.chance(0.5) ? { workloadSelector: { labels: { app: name } } } : {};
			const ingress = dice.chance(0.3)
				? { ingress: [{ port: { number: 8080, protocol: "HTTP", name: "x" }, defaultEndpoint: "127.0.0.1:1" }] }
				: {};
			return aSidecar(name, { egress, ...selector, ...ingress }, meta);
		}
		case 11: {
			const tls = dice.chance(0.5) ? { tls: { mode: "SIMPLE" as const, credentialName: "cert" } } : {};
			const port = { number: dice.one([80, 443]), name: "p", protocol: "tls" in tls ? "HTTPS" : "HTTP" };
			const hosts = [dice.one(["*", "./*.example.com", "two/www.example.com"])];
			return aGateway("edge", { selector: { app: "edge" }, servers: [{ port, hosts, ...tls }] }, meta);
		}
		case 12:
			return aSecret("cert", { "tls.crt": dice.one(["x", "y"]), "tls.key": "k" }, { namespace });
		case 13: {
			const mode = () =>
				dice.one<{ mode?: MtlsMode }>([{}, { mode: "UNSET" }, { mode: "DISABLE" }, { mode: "STRICT" }]);
			const selector = dice.chance(0.5) ? {} : { selector: { matchLabels: { app: name } } };
			const portLevelMtls = dice.chance(0.5) ? {} : { portLevelMtls: { 8080: mode(), 80: mode() } };
			return aPeerAuthentication(name, { mtls: mode(), ...selector, ...portLevelMtls }, anywhere);
		}
		case 14: {
			const action = dice.one<"ALLOW" | "DENY" | undefined>(["ALLOW", "DENY", undefined]);
			const rules = [{ to: [{ operation: { methods: [dice.one(["GET", "PUT"])] } }] }];
			return anAuthorizationPolicy(name, { ...(action && { action }), rules, ...randomTarget(dice) }, anywhere);
		}
		case 15: {
			const rule = dice.one<{ jwksUri?: string; jwks?: string; timeout?: string }>([
				{ jwksUri: "https://keys" },
				{ jwks: "inline" },
				{ timeout: "7s" },
			]);
			const jwtRules = [{ issuer: dice.one(["https://i", "https://j"]), ...rule }];
			return aRequestAuthentication(name, { jwtRules, ...randomTarget(dice) }, anywhere);
		}
		default:
			if (dice.chance(0.5))
				return aNamespace(namespace, { annotations: { "keepmesh.io/egress": dice.one(["one/*", ""]) } });
			if (dice.chance(0.2)) return anObject("ServiceAccount", name, {}, meta);
			return randomMeshConfig(dice, meta);
	}
}

function randomTarget(dice: Dice) {
	const group = "networking.istio.io";
	return dice.one<Pick<AuthorizationPolicySpec, "selector" | "targetRef" | "targetRefs">>([
		{},
		{ selector: { matchLabels: { app: dice.one(["a", "edge"]) } } },
		{ targetRefs: [{ group, kind: "Gateway", name: "edge" }] },
		{ targetRef: { kind: "Service", name: "a" } },
	]);
}

function randomMeshConfig(dice: Dice, meta: { readonly namespace: string; readonly createdMs: number }): AnyObject {
	const host = `${dice.one(["a", "b"])}.${dice.one(["one", "two"])}.svc.cluster.local`;
	const authorizer = { service: dice.one([host, `two/${host}`]), port: 80 };
	const exportTo = () => [dice.one(["*", "."])];
	return aMeshConfig(
		{
			sidecarScope: dice.one(["all", "auto"]),
			rootNamespace: dice.one(["one", "istio-system"]),
			...(dice.chance(0.5) ? {} : { extensionProviders: [{ name: "x", envoyExtAuthzGrpc: authorizer }] }),
			defaultServiceExportTo: exportTo(),
			defaultDestinationRuleExportTo: exportTo(),
			defaultVirtualServiceExportTo: exportTo(),
		},
		meta,
	);
}
