import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { virtualServices } from "../../kubernetes/status/fates.testing.ts";
import { type AnyObject, keyOf } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { UnaryOutcome } from "../../xds/wire/unary-service.ts";
import type { ResourceStatus } from "../api/api-types.ts";
import { type CountsByKey, KnownCounts, proxyCounts, proxyCountsService } from "./proxy-counts.ts";
import { resourceFates } from "./resource-fates.ts";

const good = readResourceFile(
	"a.yaml",
	`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop, labels: {istio.io/rev: canary}}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}`,
).objects;

const counts = { concerned: 2, applied: 1, withheld: 0, rejected: [] };
const rejection = { proxy: "a.shop", type: "RDS", names: ["80"], message: "no", atMs: 1 };

function source(objects: readonly AnyObject[], refused: readonly string[] = []) {
	const inForce = new Map(objects.map((object): [string, AnyObject] => [keyOf(object), object]));
	return {
		current: (key: string) => inForce.get(key),
		watchedKind: (kind: string) =>
			kind === "VirtualService" ? { kind: "VirtualService" as const, resource: virtualServices } : undefined,
		seen: () => [...inForce.keys(), ...refused].map((key) => ({ key, uid: "u", version: "9", generation: 3 })),
	};
}

const statuses = (status: Partial<ResourceStatus> = {}) => ({
	statusOf: (): ResourceStatus => ({ accepted: true, problems: [], proxies: counts, ...status }),
});

const all = { problems: [], others: [], isOurs: () => true };

describe("what became of resources", () => {
	it("adds up what all replicas count", () => {
		const others: readonly CountsByKey[] = [
			{ "VirtualService/shop/web": { concerned: 3, applied: 3, withheld: 0, rejected: [] } },
			{ "VirtualService/shop/web": { concerned: 1, applied: 0, withheld: 0, rejected: [rejection] } },
			{ "VirtualService/shop/another": { concerned: 9, applied: 9, withheld: 0, rejected: [] } },
		];
		const [fate] = resourceFates({ ...all, source: source(good), statuses: statuses(), others });
		assert.deepEqual(fate?.proxies, {
			concerned: 6,
			applied: 4,
			withheld: 0,
			rejected: [{ proxy: "a.shop", type: "RDS", message: "no" }],
		});
		assert.deepEqual([fate?.generation, fate?.uid], [3, "u"]);
	});

	it("says of a RemoteCluster that nothing follows from it yet", () => {
		const text =
			"apiVersion: keepmesh.io/v1alpha1\nkind: RemoteCluster\nmetadata: {name: west, namespace: shop}\nspec: {kubeconfig: {secretName: west}}";
		const { objects } = readResourceFile("a.yaml", text);
		const resource = {
			...virtualServices,
			group: "keepmesh.io",
			version: "v1alpha1",
			kind: "RemoteCluster",
			plural: "remoteclusters",
		};
		const watchedKind = (kind: string) =>
			kind === "RemoteCluster" ? { kind: "RemoteCluster" as const, resource } : undefined;
		const none = { statusOf: (): ResourceStatus => ({ accepted: true, problems: [] }) };
		const [fate] = resourceFates({ ...all, source: { ...source(objects), watchedKind }, statuses: none });
		assert.match(fate?.noEffect ?? "", /other clusters are not read yet/);
	});

	it("has no counts for kinds that nobody counts", () => {
		const none = { statusOf: (): ResourceStatus => ({ accepted: true, problems: [] }) };
		const [fate] = resourceFates({ ...all, source: source(good), statuses: none });
		assert.equal(fate?.proxies, undefined);
	});

	it("names what was refused from its first version on, with what is wrong", () => {
		const problem: Problem = {
			severity: "error",
			origin: { file: "kubernetes", line: 1, column: 1 },
			resource: "VirtualService shop/bad",
			path: "spec.hosts",
			message: "is empty",
			hint: "",
		};
		const problems = [problem, { ...problem, resource: "VirtualService shop/other" }];
		const bad = source([], ["VirtualService/shop/bad"]);
		const fates = resourceFates({ ...all, source: bad, statuses: statuses(), problems });
		assert.equal(fates.length, 1);
		assert.deepEqual([fates[0]?.name, fates[0]?.accepted, fates[0]?.problems.length], ["bad", false, 1]);
	});

	it("leaves out what another revision writes", () => {
		const isOurs = (labels: Readonly<Record<string, string>>): boolean => labels["istio.io/rev"] !== "canary";
		assert.deepEqual(resourceFates({ ...all, source: source(good), statuses: statuses(), isOurs }), []);
	});
});

describe("counts for another replica", () => {
	it("leave out resources that concern no proxy here", () => {
		const idle = { ...counts, concerned: 0, applied: 0 };
		assert.deepEqual(proxyCounts(good, statuses({ proxies: idle })), {});
		assert.deepEqual(proxyCounts(good, statuses()), { "VirtualService/shop/web": counts });
	});

	it("stay small, however many proxies refuse", () => {
		const rejected = Array.from({ length: 1000 }, () => ({ ...rejection, message: "x".repeat(10_000) }));
		const told = proxyCounts(good, statuses({ proxies: { ...counts, rejected } }));
		assert.ok(JSON.stringify(told).length < 10_000);
	});

	it("are for control planes of the mesh alone", () => {
		const { handle } = proxyCountsService(() => ({}), { trustDomain: "cluster.local" });
		const ask = (uri?: string): UnaryOutcome =>
			handle({ message: new Uint8Array(), headers: {}, peer: { address: "10.0.0.1", ...(uri ? { uri } : {}) } });
		assert.equal(ask("spiffe://cluster.local/keepmesh/control/control-b").ok, true);
		for (const uri of [
			undefined,
			"spiffe://elsewhere/keepmesh/control/control-b",
			"spiffe://cluster.local/keepmesh/node/n1",
			"spiffe://cluster.local/ns/shop/sa/web",
		])
			assert.equal(ask(uri).ok, false, String(uri));
	});
});

describe("what other replicas said", () => {
	const said = (answer?: CountsByKey) => [{ address: "10.0.0.2:15012", answer }];
	const one: CountsByKey = { "VirtualService/shop/web": counts };

	it("stands for a while when one is too busy to answer", () => {
		const known = new KnownCounts();
		assert.deepEqual(known.of(said(one), 0), [one]);
		assert.deepEqual(known.of(said(), 20_000), [one]);
		assert.deepEqual(known.of(said(), 31_000), []);
	});

	it("is forgotten when it is not in contact any more", () => {
		const known = new KnownCounts();
		known.of(said(one), 0);
		assert.deepEqual(known.of([], 1000), []);
		assert.deepEqual(known.of(said(), 2000), []);
	});
});
