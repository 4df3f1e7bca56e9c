import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	anEndpointSlice,
	anObject,
	aPeerAuthentication,
	aPod,
	aProxy,
	applied,
	aService,
	aWorkloadEntry,
	removed,
} from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { HotSwitchSpec } from "../resources/kinds/hot-switch.ts";
import type { MtlsMode } from "../resources/kinds/security.ts";
import type { UnproxiedWorkload } from "./serving-steps.ts";
import { applyChanges, applyLost, applyServing, emptySnapshot, type Snapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const after = (snapshot: Snapshot, ...objects: readonly AnyObject[]) =>
	applyChanges(snapshot, applied(...objects)).snapshot;
const web = aService("web", {
	ports: [
		{ name: "http", port: 80, targetPort: 8080 },
		{ name: "http-admin", port: 81, targetPort: 9090 },
	],
});
const webKey = "web.default.svc.cluster.local/default";
const pods = [1, 2, 3].map((n) => aPod(`web-${n}`, `10.1.0.${n}`, { nodeName: "n1" }));
const told = (step: "direct" | "closed", rest: Partial<UnproxiedWorkload> = {}): UnproxiedWorkload => ({
	namespace: "default",
	name: "web-2",
	serviceAccount: "default",
	node: "n1",
	isGranted: false,
	step,
	...rest,
});
/** Of each port: what clients see of web-2, and of the others together. */
const seenOf = (snapshot: Snapshot, address = "10.1.0.2") =>
	[...(snapshot.endpoints.byService.get(webKey)?.byPort.values() ?? [])].map((list) => {
		const one = list.find((endpoint) => endpoint.address === address);
		return `${one?.health} ${one?.tlsMode} ${one?.servingStep ?? "by a proxy"}`;
	});
const strict: { mtls: { mode: MtlsMode } } = { mtls: { mode: "STRICT" } };
const byProxy = "healthy istio by a proxy";
const inPlaintext = "healthy disabled direct";
const takenOut = "unhealthy istio closed";
const aHotSwitch = (spec: HotSwitchSpec) => anObject("HotSwitch", "own", spec);

describe("a workload that no proxy serves", () => {
	const mesh = snapshotOf(web, ...pods);

	it("is called in plaintext while it is direct, and with mutual TLS again afterwards", () => {
		const direct = applyServing(mesh, [told("direct")]);
		assert.deepEqual(seenOf(direct.snapshot), [inPlaintext, inPlaintext]);
		assert.deepEqual([...direct.changed.endpoints], [webKey]);
		assert.equal(direct.changed.routing, false, "endpoints alone change");
		assert.deepEqual(seenOf(direct.snapshot, "10.1.0.1"), [byProxy, byProxy], "the others stay");
		assert.deepEqual(seenOf(applyServing(direct.snapshot, []).snapshot), [byProxy, byProxy]);
	});

	it("is taken out while it is closed", () => {
		const closed = applyServing(mesh, [told("closed")]).snapshot;
		assert.deepEqual(seenOf(closed), [takenOut, takenOut]);
		assert.deepEqual(seenOf(applyServing(closed, [told("direct")]).snapshot), [inPlaintext, inPlaintext]);
	});

	it("changes nothing when it is told again", () => {
		const direct = applyServing(mesh, [told("direct")]).snapshot;
		const again = applyServing(direct, [told("direct")]);
		assert.equal(again.changed.endpoints.size, 0);
		assert.equal(again.snapshot.endpoints.byService, direct.endpoints.byService);
	});

	it("does not become another view for clients but in its endpoints", () => {
		const client = aProxy("client-1");
		const before = viewFor(mesh, client);
		const seen = viewFor(applyServing(mesh, [told("direct")]).snapshot, client);
		assert.notEqual(seen.endpoints, before.endpoints);
		assert.equal(seen.outbound, before.outbound);
	});

	it("is taken out, not called in plaintext, while STRICT is in force, whatever its node says", () => {
		const policy = aPeerAuthentication("ns", strict);
		const direct = applyServing(snapshotOf(web, ...pods, policy), [told("direct")]).snapshot;
		assert.deepEqual(seenOf(direct), [takenOut, takenOut]);
	});

	it("is taken out at once when STRICT comes while it is direct, and called again when that goes", () => {
		const policy = aPeerAuthentication("own", { ...strict, selector: { matchLabels: { app: "web" } } });
		const direct = applyServing(mesh, [told("direct")]).snapshot;
		const hardened = after(direct, policy);
		assert.deepEqual(seenOf(hardened), [takenOut, takenOut]);
		assert.deepEqual(seenOf(applyChanges(hardened, removed(policy)).snapshot), [inPlaintext, inPlaintext]);
	});

	it("is taken out on the one port that is STRICT", () => {
		const policy = aPeerAuthentication("own", {
			selector: { matchLabels: { app: "web" } },
			portLevelMtls: { 9090: { mode: "STRICT" } },
		});
		assert.deepEqual(seenOf(applyServing(after(mesh, policy), [told("direct")]).snapshot), [inPlaintext, takenOut]);
	});

	it("follows failOpen: never is taken out, always is called in plaintext also under STRICT", () => {
		const never = after(mesh, aHotSwitch({ failOpen: "never" }));
		assert.deepEqual(seenOf(applyServing(never, [told("direct")]).snapshot), [takenOut, takenOut]);
		const always = after(mesh, aPeerAuthentication("ns", strict), aHotSwitch({ failOpen: "always" }));
		assert.deepEqual(seenOf(applyServing(always, [told("direct")]).snapshot), [inPlaintext, inPlaintext]);
	});

	it("is not believed of a pod that runs elsewhere, or as somebody else", () => {
		for (const rest of [{ node: "n2" }, { serviceAccount: "other" }, { name: "nobody" }, { namespace: "two" }])
			assert.deepEqual(seenOf(applyServing(mesh, [told("closed", rest)]).snapshot), [byProxy, byProxy]);
	});

	it("is believed of a pod that no resource places on a node when the node's registration allows it", () => {
		const unplaced = snapshotOf(web, aPod("web-2", "10.1.0.2"));
		assert.equal(seenOf(applyServing(unplaced, [told("closed")]).snapshot)[0], byProxy);
		assert.equal(seenOf(applyServing(unplaced, [told("closed", { isGranted: true })]).snapshot)[0], takenOut);
		const elsewhere = applyServing(mesh, [told("closed", { isGranted: true, node: "n2" })]).snapshot;
		assert.equal(seenOf(elsewhere)[0], byProxy, "the resource knows better");
	});

	it("is served again as soon as the resources place its pod on another node", () => {
		const closed = applyServing(mesh, [told("closed")]).snapshot;
		const moved = after(closed, aPod("web-2", "10.1.0.9", { nodeName: "n2" }));
		assert.deepEqual(seenOf(moved, "10.1.0.9"), [byProxy, byProxy]);
		assert.deepEqual(seenOf(after(moved, aPod("x-1", "10.1.0.2", {}, { labels: { app: "web" } }))), [byProxy, byProxy]);
	});

	it("may be told before its pod is known", () => {
		const early = applyServing(snapshotOf(web, ...pods.slice(0, 1)), [told("direct")]).snapshot;
		assert.deepEqual(seenOf(after(early, ...pods.slice(1))), [inPlaintext, inPlaintext]);
	});

	it("is found behind an EndpointSlice, whichever comes first", () => {
		const slice = anEndpointSlice("web", ["10.1.0.2"], [{ name: "http", port: 8080 }]);
		const pod = pods.slice(1, 2);
		for (const order of [
			[slice, ...pod],
			[...pod, slice],
		]) {
			let snapshot = applyServing(snapshotOf(web), [told("direct")]).snapshot;
			for (const object of order) snapshot = after(snapshot, object);
			assert.equal(seenOf(snapshot)[0], inPlaintext);
		}
	});

	it("may be a machine that joined, by the name of its WorkloadEntry or by the node it is on", () => {
		const entry = (name: string, annotations = {}) =>
			aWorkloadEntry(name, { address: "10.2.0.1", serviceAccount: "web", labels: { app: "web" } }, { annotations });
		const own = { serviceAccount: "web", name: "vm-1" };
		const byName = snapshotOf(web, entry("vm-1"));
		const granted = applyServing(byName, [told("direct", { ...own, isGranted: true })]).snapshot;
		assert.equal(seenOf(granted, "10.2.0.1")[0], inPlaintext);
		assert.equal(seenOf(applyServing(byName, [told("direct", own)]).snapshot, "10.2.0.1")[0], byProxy);
		const byNode = snapshotOf(web, entry("web-vm", { "keepmesh.io/node": "n1" }));
		assert.equal(seenOf(applyServing(byNode, [told("direct", own)]).snapshot, "10.2.0.1")[0], inPlaintext);
		const elsewhere = applyServing(byNode, [told("direct", { ...own, node: "n2" })]).snapshot;
		assert.equal(seenOf(elsewhere, "10.2.0.1")[0], byProxy);
	});

	it("is no reason to call the other endpoints of a headless service in plaintext", () => {
		const headless = aService("web", { clusterIP: "None", ports: [{ name: "tcp", port: 8080 }] });
		const snapshot = snapshotOf(headless, ...pods);
		const direct = applyServing(snapshot, [told("direct")]).snapshot;
		assert.equal(direct.routing, snapshot.routing);
	});
});

describe("a workload whose machine is lost", () => {
	const gone = "unhealthy istio by a proxy";
	const onNodes = (...nodes: readonly string[]) => ({ nodes: new Set(nodes), pods: new Set<never>() });
	const elsewhere = aPod("web-4", "10.1.0.4", { nodeName: "n2" });
	const mesh = snapshotOf(web, ...pods, elsewhere);

	it("is taken out, with all others on it and none elsewhere, and called again when it is back", () => {
		const lost = applyLost(mesh, onNodes("n1"));
		for (const address of ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
			assert.deepEqual(seenOf(lost.snapshot, address), [gone, gone]);
		assert.deepEqual(seenOf(lost.snapshot, "10.1.0.4"), [byProxy, byProxy]);
		assert.equal(lost.changed.routing, false, "endpoints alone change");
		assert.deepEqual(seenOf(applyLost(lost.snapshot, onNodes()).snapshot), [byProxy, byProxy]);
	});

	it("is taken out also where no proxy serves it, and when it becomes known later", () => {
		const lost = applyLost(applyServing(snapshotOf(web), [told("direct")]).snapshot, onNodes("n1")).snapshot;
		assert.deepEqual(seenOf(after(lost, ...pods)), [gone, gone]);
	});

	it("stays out after a boot until it is described anew", () => {
		const [, second] = pods;
		assert.ok(second);
		const back = applyLost(mesh, { nodes: new Set<string>(), pods: new Set([second]) }).snapshot;
		assert.deepEqual(seenOf(back), [gone, gone]);
		assert.deepEqual(seenOf(back, "10.1.0.1"), [byProxy, byProxy]);
		const started = aPod("web-2", "10.1.0.2", { nodeName: "n1", hostname: "web-2" });
		assert.deepEqual(seenOf(after(back, started)), [byProxy, byProxy]);
	});

	it("may be a WorkloadEntry on that node", () => {
		const annotations = { "keepmesh.io/node": "n1" };
		const entry = aWorkloadEntry("vm", { address: "10.2.0.1", labels: { app: "web" } }, { annotations });
		const lost = applyLost(snapshotOf(web, entry), onNodes("n1")).snapshot;
		assert.match(seenOf(lost, "10.2.0.1")[0] ?? "", /^unhealthy/);
	});
});
