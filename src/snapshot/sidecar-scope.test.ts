import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aDestinationRule,
	aMeshConfig,
	aNamespace,
	aPod,
	aProxy,
	applied,
	aService,
	aServiceEntry,
	aSidecar,
	aVirtualService,
} from "../model/model.testing.ts";
import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { SidecarSpec } from "../resources/kinds/networking.ts";
import { autoScope } from "./auto-scope.ts";
import { portsInScope } from "./egress-scope.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const shop = ["cart", "pay"].map((name) => aService(name, {}, { namespace: "shop" }));
const bank = ["ledger", "rates"].map((name) => aService(name, {}, { namespace: "bank" }));
const snapshotOf = (...objects: readonly AnyObject[]) =>
	applyChanges(emptySnapshot(), applied(...shop, ...bank, ...objects)).snapshot;
const inShop = (labels: Record<string, string> = {}) => aProxy("cart-1", { namespace: "shop", labels });

function outboundOf(proxy: MeshProxy, ...objects: readonly AnyObject[]) {
	const view = viewFor(snapshotOf(...objects), proxy).outbound;
	assert.ok(view);
	return view;
}

const namesSeen = (proxy: MeshProxy, ...objects: readonly AnyObject[]) =>
	outboundOf(proxy, ...objects).services.map(({ service }) => service.name);

const sidecar = (spec: SidecarSpec, namespace = "shop", name = "default", createdMs = 0) =>
	aSidecar(name, spec, { namespace, createdMs });
const egress = (...hosts: readonly string[]): SidecarSpec => ({ egress: [{ hosts }] });

describe("egress hosts of a Sidecar", () => {
	const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
		[["*/*"], ["cart", "ledger", "pay", "rates"]],
		[["./*"], ["cart", "pay"]],
		[["bank/*"], ["ledger", "rates"]],
		[
			["./*", "bank/rates.bank.svc.cluster.local"],
			["cart", "pay", "rates"],
		],
		[["./cart"], ["cart"]],
		[["*/*.shop.svc.cluster.local"], ["cart", "pay"]],
		[["~/*"], []],
		[
			["*/*", "~bank/*"],
			["cart", "pay"],
		],
		[
			["*/*", "~./pay.shop.svc.cluster.local"],
			["cart", "ledger", "rates"],
		],
	];
	for (const [hosts, expected] of cases)
		it(`${hosts.join(" ")} shows ${expected.join(", ") || "nothing"}`, () =>
			assert.deepEqual(namesSeen(inShop(), sidecar(egress(...hosts))), expected));

	it("bring in one port only when the listener has one", () => {
		const ports = [80, 90].map((port) => ({ name: `http-${port}`, port }));
		const both = aService("both", { ports }, { namespace: "bank" });
		const spec = { egress: [{ hosts: ["bank/*"], port: { number: 90 } }] };
		const view = outboundOf(inShop(), both, sidecar(spec));
		assert.deepEqual(
			view.services.map(({ service }) => [service.name, service.ports.map((port) => port.number)]),
			[["both", [90]]],
		);
	});

	it("hide rules for other hosts, and bring in where the rules in scope lead", () => {
		const inScope = aVirtualService(
			"a",
			{ hosts: ["pay"], http: [{ route: [{ destination: { host: "rates.bank.svc.cluster.local" } }] }] },
			{ namespace: "shop" },
		);
		const outside = aVirtualService(
			"b",
			{ hosts: ["ledger"], http: [{ route: [{ destination: { host: "ledger" } }] }] },
			{ namespace: "bank" },
		);
		const view = outboundOf(inShop(), inScope, outside, sidecar(egress("./*")));
		assert.deepEqual(
			view.rules.map((rule) => rule.source),
			["VirtualService/shop/a"],
		);
		assert.deepEqual(
			view.services.map(({ service }) => service.name),
			["cart", "pay", "rates"],
		);
	});
});

describe("the Sidecar that counts", () => {
	const own = sidecar(egress("./cart"), "shop", "own", 5);
	const selecting = sidecar(
		{ ...egress("./pay"), workloadSelector: { labels: { app: "pay" } } },
		"shop",
		"selecting",
		9,
	);
	const root = sidecar(egress("bank/*"), "istio-system");

	it("is the one that selects the workload, else its namespace's, else the root namespace's", () => {
		assert.deepEqual(namesSeen(inShop({ app: "pay" }), own, selecting, root), ["pay"]);
		assert.deepEqual(namesSeen(inShop({ app: "cart" }), own, selecting, root), ["cart"]);
		assert.deepEqual(namesSeen(inShop({ app: "cart" }), selecting, root), ["ledger", "rates"]);
	});

	it("is the oldest of several", () => {
		assert.deepEqual(namesSeen(inShop(), own, sidecar(egress("./pay"), "shop", "older", 1)), ["pay"]);
	});

	it("decides what happens to unknown traffic", () => {
		const strict = sidecar({ outboundTrafficPolicy: { mode: "REGISTRY_ONLY" } });
		assert.equal(outboundOf(inShop(), strict).outboundTrafficPolicy, "REGISTRY_ONLY");
		assert.equal(outboundOf(inShop()).outboundTrafficPolicy, "ALLOW_ANY");
	});
});

describe("one host name in several namespaces", () => {
	const entry = (namespace: string, createdMs: number) =>
		aServiceEntry("ext", { hosts: ["ext.example.com"], ports: [{ number: 80 }] }, { namespace, createdMs });

	it("means the oldest that is visible and in scope", () => {
		const both = [entry("shop", 2), entry("bank", 1)];
		const seen = (...objects: readonly AnyObject[]) =>
			outboundOf(inShop(), ...both, ...objects)
				.services.filter(({ service }) => service.hostname === "ext.example.com")
				.map(({ service }) => service.namespace);
		assert.deepEqual(seen(), ["bank"]);
		assert.deepEqual(seen(sidecar(egress("./*"))), ["shop"]);
	});
});

describe("automatic scope", () => {
	const auto = aMeshConfig({ sidecarScope: "auto" });
	const egressOf = (hosts: string) => ({ annotations: { "keepmesh.io/egress": hosts } });

	it("is the own namespace when nothing else is written down", () => {
		assert.deepEqual(namesSeen(inShop(), auto), ["cart", "pay"]);
	});

	it("takes in what the namespace's VirtualServices and DestinationRules name, not what other namespaces' do", () => {
		const rates = "rates.bank.svc.cluster.local";
		const rule = aVirtualService(
			"v",
			{ hosts: ["pay"], http: [{ route: [{ destination: { host: rates } }] }] },
			{ namespace: "shop" },
		);
		assert.deepEqual(namesSeen(inShop(), auto, rule), ["cart", "pay", "rates"]);
		const destination = aDestinationRule("d", { host: "ledger.bank.svc.cluster.local" }, { namespace: "shop" });
		assert.deepEqual(namesSeen(inShop(), auto, destination), ["cart", "ledger", "pay"]);
		const wide = aDestinationRule("d", { host: "*.local" }, { namespace: "shop" });
		assert.deepEqual(namesSeen(inShop(), auto, wide), ["cart", "pay"]);
		const foreign = aVirtualService(
			"v",
			{ hosts: ["ledger"], http: [{ route: [{ destination: { host: "rates" } }] }] },
			{ namespace: "bank" },
		);
		assert.deepEqual(namesSeen(inShop(), auto, foreign), ["cart", "pay"]);
	});

	it("takes in what the annotation of the Namespace or of the Pod adds", () => {
		assert.deepEqual(namesSeen(inShop(), auto, aNamespace("shop", egressOf("bank/rates.bank.svc.cluster.local"))), [
			"cart",
			"pay",
			"rates",
		]);
		const pod = aPod("cart-1", "10.0.0.1", {}, { namespace: "shop", ...egressOf("bank/*") });
		assert.deepEqual(namesSeen(inShop(), auto, pod), ["cart", "ledger", "pay", "rates"]);
	});

	it("is overruled by a Sidecar", () => {
		assert.deepEqual(namesSeen(inShop(), auto, sidecar(egress("bank/*"))), ["ledger", "rates"]);
	});

	it("can be asked for by itself", () => {
		const { routing } = snapshotOf(auto);
		const scope = autoScope(routing, "shop", "bank/*");
		const inScope = [...routing.registry.byKey.values()].filter(
			({ service }) => portsInScope(scope, service) !== undefined,
		);
		assert.equal(inScope.length, 4);
	});
});
