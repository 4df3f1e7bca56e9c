import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aGateway,
	aMeshConfig,
	anAuthorizationPolicy,
	aPeerAuthentication,
	aProxy,
	applied,
	aRequestAuthentication,
	removed,
} from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { MtlsMode } from "../resources/kinds/security.ts";
import { applyKeySets, neededKeySets } from "./needed-key-sets.ts";
import { problemsOf } from "./resource-status.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const web = aProxy("web-1", { ipAddresses: ["10.1.0.1"], workloadCertificate: true });
const edge = aProxy("edge-1", { type: "router", labels: { app: "edge" } });
const securityOf = (...objects: readonly AnyObject[]) => viewFor(snapshotOf(...objects), web).inbound?.security;
const gatewaySecurityOf = (...objects: readonly AnyObject[]) => viewFor(snapshotOf(...objects), edge).gateway?.security;

const root = { namespace: "istio-system" };
const forWeb = { selector: { matchLabels: { app: "web" } } };
const mtls = (mode: MtlsMode) => ({ mtls: { mode } });

describe("what a workload demands of connections", () => {
	const modes = (...objects: readonly AnyObject[]) => {
		const found = securityOf(...objects)?.mtls;
		return [found?.mode, Object.fromEntries(found?.byPort ?? []), found?.sources];
	};

	it("is nothing, when nobody asks", () => {
		assert.deepEqual(modes(), ["PERMISSIVE", {}, []]);
	});

	it("is what its own PeerAuthentication says, before its namespace's, before the mesh's", () => {
		const mesh = aPeerAuthentication("mesh", mtls("STRICT"), root);
		const namespace = aPeerAuthentication("ns", mtls("DISABLE"));
		const own = aPeerAuthentication("own", { ...forWeb, ...mtls("PERMISSIVE") });
		const other = aPeerAuthentication("other", { selector: { matchLabels: { app: "x" } }, ...mtls("DISABLE") });
		assert.deepEqual(modes(mesh, other), ["STRICT", {}, ["PeerAuthentication/istio-system/mesh"]]);
		assert.deepEqual(modes(mesh, namespace), ["DISABLE", {}, ["PeerAuthentication/default/ns"]]);
		assert.deepEqual(modes(mesh, namespace, own), ["PERMISSIVE", {}, ["PeerAuthentication/default/own"]]);
	});

	it("is the wider level's where a level leaves it unset", () => {
		const mesh = aPeerAuthentication("mesh", mtls("STRICT"), root);
		const unset = [aPeerAuthentication("ns", {}), aPeerAuthentication("own", { ...forWeb, ...mtls("UNSET") })];
		assert.deepEqual(modes(mesh, ...unset), ["STRICT", {}, ["PeerAuthentication/istio-system/mesh"]]);
		assert.deepEqual(modes(aPeerAuthentication("mesh", mtls("UNSET"), root)), ["PERMISSIVE", {}, []]);
	});

	it("is the oldest's where two are for the same workloads", () => {
		const young = aPeerAuthentication("a", { ...forWeb, ...mtls("STRICT") }, { createdMs: 2 });
		const old = aPeerAuthentication("b", { ...forWeb, ...mtls("DISABLE") }, { createdMs: 1 });
		assert.deepEqual(modes(young, old)[0], "DISABLE");
		const youngNamespace = aPeerAuthentication("a", mtls("STRICT"), { createdMs: 2 });
		const oldNamespace = aPeerAuthentication("b", mtls("DISABLE"), { createdMs: 1 });
		assert.deepEqual(modes(youngNamespace, oldNamespace)[0], "DISABLE");
	});

	it("differs by port only through its own PeerAuthentication, and only where the port says something else", () => {
		const portLevelMtls = {
			9000: { mode: "DISABLE" },
			80: { mode: "PERMISSIVE" },
			443: {},
			81: { mode: "STRICT" },
		} as const;
		const own = aPeerAuthentication("own", { ...forWeb, portLevelMtls });
		const mesh = aPeerAuthentication("mesh", mtls("STRICT"), root);
		assert.deepEqual(modes(own, mesh), [
			"STRICT",
			{ 80: "PERMISSIVE", 9000: "DISABLE" },
			["PeerAuthentication/default/own", "PeerAuthentication/istio-system/mesh"],
		]);
		assert.deepEqual(modes(aPeerAuthentication("ns", { ...mtls("STRICT"), portLevelMtls })), [
			"STRICT",
			{},
			["PeerAuthentication/default/ns"],
		]);
	});

	it("is not told by selectors in the root namespace", () => {
		assert.deepEqual(modes(aPeerAuthentication("own", { ...forWeb, ...mtls("STRICT") }, root))[0], "PERMISSIVE");
	});

	it("follows the root namespace that the MeshConfig names", () => {
		const inOther = aPeerAuthentication("mesh", mtls("STRICT"), { namespace: "other" });
		const config = aMeshConfig({ rootNamespace: "other" }, { namespace: "other" });
		assert.equal(modes(inOther)[0], "PERMISSIVE");
		assert.equal(modes(inOther, config)[0], "STRICT");
	});

	it("is shown without a certificate only when a policy asks for it", () => {
		const bare = aProxy("web-1", { ipAddresses: ["10.1.0.1"] });
		const shown = (...objects: readonly AnyObject[]) => viewFor(snapshotOf(...objects), bare).inbound?.security;
		assert.equal(shown(), undefined);
		assert.equal(shown(aPeerAuthentication("ns", mtls("STRICT")))?.mtls?.mode, "STRICT");
	});
});

describe("who may call a workload", () => {
	const names = (...objects: readonly AnyObject[]) => securityOf(...objects)?.authorization.map((one) => one.name);

	it("is said by the root namespace's policies and its own namespace's, the oldest first", () => {
		assert.deepEqual(
			names(
				anAuthorizationPolicy("young", {}, { createdMs: 3 }),
				anAuthorizationPolicy("old", forWeb, { createdMs: 1 }),
				anAuthorizationPolicy("mesh", forWeb, { ...root, createdMs: 2 }),
				anAuthorizationPolicy("elsewhere", {}, { namespace: "elsewhere" }),
				anAuthorizationPolicy("another", { selector: { matchLabels: { app: "x" } } }),
			),
			["mesh", "old", "young"],
		);
	});

	it("shows action, provider, rules and whether a policy is only tried", () => {
		const rules = [{ to: [{ operation: { methods: ["GET"] } }] }];
		const custom = anAuthorizationPolicy(
			"custom",
			{ action: "CUSTOM", provider: { name: "opa" }, rules },
			{ annotations: { "istio.io/dry-run": "true" } },
		);
		assert.deepEqual(securityOf(custom, anAuthorizationPolicy("nothing"))?.authorization, [
			{
				source: "AuthorizationPolicy/default/custom",
				namespace: "default",
				name: "custom",
				action: "CUSTOM",
				provider: "opa",
				dryRun: true,
				rules,
			},
			{
				source: "AuthorizationPolicy/default/nothing",
				namespace: "default",
				name: "nothing",
				action: "ALLOW",
				dryRun: false,
				rules: [],
			},
		]);
	});

	it("is not said by policies that name a target, which a sidecar never is", () => {
		const targets = [
			{ kind: "Service", name: "web" },
			{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "web" },
		];
		for (const target of targets) {
			assert.deepEqual(names(anAuthorizationPolicy("one", { targetRef: target })), []);
			assert.deepEqual(names(anAuthorizationPolicy("many", { targetRefs: [target], ...forWeb })), []);
		}
	});

	it("is said at a gateway by its labels, or by name of a Gateway of the policy's namespace that it runs", () => {
		const server = { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] };
		const gateway = aGateway("front", { selector: { app: "edge" }, servers: [server] });
		const target = { group: "networking.istio.io", kind: "Gateway", name: "front" };
		const at = (...objects: readonly AnyObject[]) =>
			gatewaySecurityOf(gateway, ...objects)?.authorization.map((one) => one.name);
		assert.equal(at(), undefined);
		assert.deepEqual(at(anAuthorizationPolicy("labels", { selector: { matchLabels: { app: "edge" } } })), ["labels"]);
		assert.deepEqual(at(anAuthorizationPolicy("named", { targetRefs: [target] })), ["named"]);
		assert.equal(at(anAuthorizationPolicy("named", { targetRefs: [{ ...target, name: "back" }] })), undefined);
		assert.equal(at(anAuthorizationPolicy("named", { targetRefs: [target] }, root)), undefined);
	});

	it("is said at a gateway without a demand on connections", () => {
		assert.equal(gatewaySecurityOf(aPeerAuthentication("ns", mtls("STRICT"))), undefined);
	});
});

describe("whose tokens a workload takes", () => {
	const rules = (...objects: readonly AnyObject[]) => securityOf(...objects)?.authentication;

	it("is said by all that are meant for it, sorted by issuer", () => {
		assert.deepEqual(
			rules(
				aRequestAuthentication("mesh", { jwtRules: [{ issuer: "b", jwks: "{}" }] }, root),
				aRequestAuthentication("own", { ...forWeb, jwtRules: [{ issuer: "c" }, { issuer: "a", audiences: ["x"] }] }),
				aRequestAuthentication("other", { selector: { matchLabels: { app: "x" } }, jwtRules: [{ issuer: "d" }] }),
			),
			[
				{ issuer: "a", audiences: ["x"], source: "RequestAuthentication/default/own" },
				{ issuer: "b", jwks: "{}", keys: "{}", source: "RequestAuthentication/istio-system/mesh" },
				{ issuer: "c", source: "RequestAuthentication/default/own" },
			],
		);
	});

	it("asks for the keys that are not written in it: each address once, with the longest timeout", () => {
		const snapshot = snapshotOf(
			aRequestAuthentication("a", { jwtRules: [{ issuer: "i", jwksUri: "https://a/keys" }] }),
			aRequestAuthentication("b", { jwtRules: [{ issuer: "j", jwksUri: "https://a/keys", timeout: "9s" }] }),
			aRequestAuthentication("c", { jwtRules: [{ issuer: "https://b/" }, { issuer: "k", jwks: "{}" }] }),
		);
		assert.deepEqual(neededKeySets(snapshot), [
			{ uri: "https://a/keys", kind: "keySet", issuer: "i", timeoutMs: 9000 },
			{
				uri: "https://b/.well-known/openid-configuration",
				kind: "discovery",
				issuer: "https://b/",
				timeoutMs: 5000,
			},
		]);
	});

	it("has fetched keys as soon as they are there, and keeps them over other changes", () => {
		const named = { issuer: "a", jwksUri: "https://a/keys" };
		const before = snapshotOf(aRequestAuthentication("a", { jwtRules: [named, { issuer: "https://b" }] }));
		const discovered = "https://b/.well-known/openid-configuration";
		const fetched = new Map([
			["https://a/keys", "A"],
			[discovered, "B"],
		]);
		const snapshot = applyKeySets(before, fetched);
		const later = applyChanges(
			snapshot,
			applied(aRequestAuthentication("z", { jwtRules: [{ ...named, issuer: "z" }] })),
		);
		const keys = viewFor(later.snapshot, web).inbound?.security?.authentication.map((rule) => [rule.issuer, rule.keys]);
		assert.deepEqual(keys, [
			["a", "A"],
			["https://b", "B"],
			["z", "A"],
		]);
		assert.equal(applyKeySets(snapshot, new Map(fetched)), snapshot, "nothing new, nothing changes");
	});
});

describe("a policy without effect is named:", () => {
	const problems = (...objects: readonly AnyObject[]) =>
		problemsOf(snapshotOf(...objects)).map(({ object, because, winner }) => `${object}: ${because} (${winner ?? ""})`);

	it("one that an older PeerAuthentication outdoes", () => {
		const old = { createdMs: 1 };
		const found = problems(
			aPeerAuthentication("a", mtls("STRICT"), { createdMs: 2 }),
			aPeerAuthentication("b", mtls("STRICT"), old),
			aPeerAuthentication("c", { ...forWeb, ...mtls("STRICT") }, { createdMs: 2 }),
			aPeerAuthentication("d", { ...forWeb, ...mtls("STRICT") }, old),
			aPeerAuthentication("e", { ...forWeb, ...mtls("STRICT") }, root),
		);
		assert.deepEqual(found, [
			"PeerAuthentication/default/a: an older PeerAuthentication is for the whole namespace, and the oldest counts (PeerAuthentication/default/b)",
			"PeerAuthentication/default/c: an older PeerAuthentication is for the same workloads, and the oldest counts (PeerAuthentication/default/d)",
			"PeerAuthentication/istio-system/e: it has a selector, and in the root namespace only a PeerAuthentication without one counts ()",
		]);
	});

	it("one whose target no sidecar and no gateway of its namespace is", () => {
		const gateway = { group: "networking.istio.io", kind: "Gateway", name: "front" };
		const found = problems(
			anAuthorizationPolicy("a", { targetRefs: [{ kind: "Service", name: "web" }, gateway] }),
			aRequestAuthentication("b", { targetRef: { ...gateway, namespace: "other" } }),
		);
		assert.deepEqual(found, [
			"AuthorizationPolicy/default/a: it does nothing for Service web: only waypoint proxies obey such a policy ()",
			"RequestAuthentication/default/b: it does nothing for Gateway front of namespace other: only gateways of its own namespace obey it ()",
		]);
	});
});

describe("the security of a view", () => {
	it("is the same object for workloads that the same policies are meant for", () => {
		const policies = [anAuthorizationPolicy("a"), anAuthorizationPolicy("b", forWeb), aPeerAuthentication("p", {})];
		const snapshot = snapshotOf(...policies);
		const [one, two, other] = ["web-1", "web-2", "api-1"].map((name) => viewFor(snapshot, aProxy(name)).inbound);
		assert.equal(one?.security, two?.security);
		assert.equal(other?.security?.authorization.length, 1);
	});

	it("keeps the view as it is when a policy changes that is for others, or keys that it does not use", () => {
		const snapshot = snapshotOf(
			anAuthorizationPolicy("a"),
			aRequestAuthentication("r", { jwtRules: [{ issuer: "i" }] }),
		);
		const before = viewFor(snapshot, web);
		const others = [
			anAuthorizationPolicy("b", { selector: { matchLabels: { app: "x" } } }),
			anAuthorizationPolicy("c", {}, { namespace: "elsewhere" }),
		];
		const added = applyChanges(snapshot, applied(...others)).snapshot;
		assert.equal(viewFor(added, web), before);
		assert.equal(viewFor(applyKeySets(added, new Map([["https://x", "{}"]])), web), before);
		assert.equal(viewFor(applyChanges(added, removed(...others)).snapshot, web), before);
	});
});
