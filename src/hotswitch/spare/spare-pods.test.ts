import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { generateProxyConfig } from "../../envoy/generate-proxy-config.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import { proxyFromNode } from "../../snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import { type ProxyConfig, type TypeUrl, typeUrls } from "../../xds/resource.ts";
import { type AcceptedChange, resourcesOf, withAccepted } from "./accepted-config.ts";
import { SparePods } from "./spare-pods.ts";
import { spareServing } from "./spare-serving.ts";

const pair = { chainPem: "chain", keyPem: "key", rootPem: "root" };

function generated(): ProxyConfig {
	const file = join(import.meta.dirname, "../../../test/golden/cases/canary.in.yaml");
	const { objects } = readResourceFile("case.yaml", readFileSync(file, "utf8"));
	const changes = objects.map((object) => ({ type: "objectApplied" as const, object }));
	const node = proxyFromNode({
		id: "sidecar~10.1.0.5~own.default~default.svc.cluster.local",
		metadata: { NAMESPACE: "default", KEEPMESH_SDS: "true" },
	});
	assert.ok(node.ok);
	return generateProxyConfig(node.proxy, viewFor(applyChanges(emptySnapshot(), changes).snapshot, node.proxy));
}

const whole = generated();
const order: readonly TypeUrl[] = [typeUrls.cluster, typeUrls.endpoints, typeUrls.listener, typeUrls.route];
const changeOf = (typeUrl: TypeUrl, more: Partial<AcceptedChange> = {}): AcceptedChange => ({
	typeUrl,
	isFirst: true,
	resources: resourcesOf(whole, typeUrl),
	removed: [],
	...more,
});
const namesOf = (config: ProxyConfig, typeUrl: TypeUrl) =>
	resourcesOf(config, typeUrl)
		.map(({ name }) => name)
		.sort();

/** A pod that has accepted everything, and may be served by the spare. */
function served(): SparePods {
	const pods = new SparePods();
	pods.add("a", "/run/netns/a");
	pods.allow("a", true);
	pods.certify("a", pair);
	for (const typeUrl of order) pods.accept("a", changeOf(typeUrl));
	return pods;
}

describe("what a sidecar has accepted", () => {
	it("is what it was told, with what was changed and without what was removed", () => {
		const [first, second, ...others] = resourcesOf(whole, typeUrls.endpoints);
		assert.ok(first && second);
		const before = withAccepted(new Map(), changeOf(typeUrls.endpoints));
		const change = { isFirst: false, resources: [{ ...first, version: "new" }], removed: [second.name] };
		const after = withAccepted(before, changeOf(typeUrls.endpoints, change));
		assert.deepEqual(
			resourcesOf(after, typeUrls.endpoints),
			[{ ...first, version: "new" }, ...others].sort((a, b) => (a.name < b.name ? -1 : 1)),
		);
	});

	it("still holds the endpoints and routes that a sidecar which starts anew has not asked for yet", () => {
		const [first] = resourcesOf(whole, typeUrls.endpoints);
		assert.ok(first);
		const again = withAccepted(whole, changeOf(typeUrls.endpoints, { resources: [first] }));
		assert.deepEqual(namesOf(again, typeUrls.endpoints), namesOf(whole, typeUrls.endpoints));
	});

	it("no longer holds clusters that a sidecar which starts anew was not given, nor their endpoints", () => {
		const [gone] = resourcesOf(whole, typeUrls.endpoints);
		assert.ok(gone);
		const resources = resourcesOf(whole, typeUrls.cluster).filter(({ name }) => name !== gone.name);
		const after = withAccepted(whole, changeOf(typeUrls.cluster, { resources }));
		assert.ok(!namesOf(after, typeUrls.cluster).includes(gone.name));
		assert.ok(!namesOf(after, typeUrls.endpoints).includes(gone.name));
	});
});

describe("pods of the spare", () => {
	it("are in its configuration once they have accepted everything and their policy allows it", () => {
		const pods = served();
		const config = pods.config();
		assert.deepEqual(
			namesOf(config, typeUrls.cluster),
			namesOf(whole, typeUrls.cluster).map((name) => `a|${name}`),
		);
		assert.deepEqual(namesOf(config, typeUrls.secret), ["a|ROOTCA", "a|default"]);
		const wanted = pods.wanted("a");
		assert.ok(wanted.ok);
		assert.deepEqual(wanted.listeners, resourcesOf(config, typeUrls.listener));
		pods.allow("a", false);
		assert.equal(pods.config().size, 0);
		assert.deepEqual(pods.wanted("a"), { ok: false, because: "the policy does not allow the spare" });
	});

	it("stay as they were while what their sidecar has accepted names what it has not", () => {
		const pods = served();
		const before = pods.config();
		pods.accept(
			"a",
			changeOf(typeUrls.route, { isFirst: false, resources: [], removed: namesOf(whole, typeUrls.route) }),
		);
		const after = pods.config();
		for (const typeUrl of [...order, typeUrls.secret])
			assert.deepEqual(namesOf(after, typeUrl), namesOf(before, typeUrl));
		const wanted = pods.wanted("a");
		assert.match(
			wanted.ok ? "" : wanted.because,
			/is not whole: listener .* names route table .*, which does not exist/,
		);
		pods.accept("a", changeOf(typeUrls.route, { isFirst: false }));
		pods.config();
		assert.ok(pods.wanted("a").ok);
	});

	it("cost nothing when another pod changes: their parts are the same objects", () => {
		const pods = served();
		pods.add("b", "/run/netns/b");
		pods.allow("b", true);
		const before = pods.config();
		pods.restore("b", whole);
		const after = pods.config();
		for (const typeUrl of order) {
			const [ofA] = before.get(typeUrl)?.parts ?? [];
			assert.ok(ofA);
			assert.ok(after.get(typeUrl)?.parts.includes(ofA), typeUrl);
			assert.equal(after.get(typeUrl)?.parts.length, 2);
		}
	});

	it("have a new certificate without anything else being made anew", () => {
		const pods = served();
		const before = pods.config();
		assert.equal(pods.certify("a", { ...pair }), false);
		assert.equal(pods.certify("a", { ...pair, chainPem: "renewed" }), true);
		const after = pods.config();
		for (const typeUrl of order) assert.equal(after.get(typeUrl)?.parts[0], before.get(typeUrl)?.parts[0]);
		assert.notDeepEqual(after.get(typeUrls.secret), before.get(typeUrls.secret));
	});
});

describe("whether the spare can take a pod's connections", () => {
	const wanted = [
		{ name: "a|in", version: "2" },
		{ name: "a|out", version: "1" },
	];
	const takes = { isActive: true, isWarming: false };
	const both = [
		{ name: "a|in", ...takes },
		{ name: "a|out", ...takes },
	];
	const seen = { listeners: both, refusals: [], hasConfirmed: () => true };

	it("is yes when every listener that it should have was confirmed, and takes connections", () => {
		assert.equal(spareServing("a", wanted, seen).state, "serves");
	});
	it("is not yet while one is not confirmed, or does not take any", () => {
		const notReady = { state: "pending", because: "the spare is not ready with a|in" };
		for (const first of [
			{ isActive: false, isWarming: false },
			{ isActive: true, isWarming: true },
		]) {
			const listeners = [{ name: "a|in", ...first }, ...both.slice(1)];
			assert.deepEqual(spareServing("a", wanted, { ...seen, listeners }), notReady);
		}
		assert.deepEqual(spareServing("a", wanted, { ...seen, listeners: both.slice(1) }), notReady);
		const hasConfirmed = ({ name }: { readonly name: string }) => name !== "a|in";
		assert.deepEqual(spareServing("a", wanted, { ...seen, hasConfirmed }), notReady);
	});
	it("is not yet while secrets are not confirmed, and no when they were refused", () => {
		const because = "why";
		assert.equal(spareServing("a", wanted, seen, { because, isRefused: false }).state, "pending");
		assert.equal(spareServing("a", wanted, seen, { because, isRefused: true }).state, "refused");
	});
	it("is no when the spare refused one, or another resource of the pod, but not another pod's", () => {
		const listeners = [{ name: "a|in", ...takes, error: "no such file" }, ...both.slice(1)];
		const hasConfirmed = ({ name }: { readonly name: string }) => name !== "a|in";
		assert.deepEqual(spareServing("a", wanted, { ...seen, listeners, hasConfirmed }), {
			state: "refused",
			because: "the spare refused a|in: no such file",
		});
		const refusals = ["Error adding/updating cluster(s) a|x: bad"];
		assert.equal(spareServing("a", wanted, { ...seen, refusals }).state, "refused");
		assert.equal(spareServing("b", wanted, { ...seen, refusals }).state, "serves");
	});
});
