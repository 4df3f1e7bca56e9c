import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { anObject, aPeerAuthentication, aProxy, applied, type MetaOptions, removed } from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { HotSwitchSpec } from "../resources/kinds/hot-switch.ts";
import { problemsOf } from "./resource-status.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const aHotSwitch = (name: string, spec: HotSwitchSpec = {}, meta: MetaOptions = {}) =>
	anObject("HotSwitch", name, spec, meta);
const web = aProxy("web-1", { workloadCertificate: true });
const policyOf = (...objects: readonly AnyObject[]) => viewFor(snapshotOf(...objects), web).hotSwitch;
const root = { namespace: "istio-system" };
const forWeb = { selector: { matchLabels: { app: "web" } } };
const permissive = { ...defaultHotSwitchPolicy, permitsPlaintext: true };

describe("what may be done for a workload whose proxy fails", () => {
	it("is the default, when nobody says anything", () => {
		assert.deepEqual(policyOf(), permissive);
	});

	it("is every field of the HotSwitch for it, as numbers", () => {
		const all: HotSwitchSpec = {
			enabled: false,
			steps: ["direct"],
			failOpen: "always",
			lease: "80ms",
			heartbeat: "30ms",
			hang: "1s",
			prove: "2s",
			flap: { count: 9, window: "2m", maxProve: "3m" },
			directLimit: "1h",
		};
		assert.deepEqual(policyOf(aHotSwitch("a", all)), {
			enabled: false,
			spare: false,
			direct: true,
			failOpen: "always",
			permitsPlaintext: true,
			leaseMs: 80,
			heartbeatMs: 30,
			hangMs: 1_000,
			proveMs: 2_000,
			flapCount: 9,
			flapWindowMs: 120_000,
			proveMaxMs: 180_000,
			directLimitMs: 3_600_000,
		});
	});

	it("is overlaid field by field: mesh, then namespace, then workload", () => {
		const mesh = aHotSwitch("mesh", { steps: ["spare"], prove: "1s", flap: { count: 7, window: "2m" } }, root);
		const namespace = aHotSwitch("ns", { prove: "2s", flap: { count: 8 } });
		const own = aHotSwitch("own", { ...forWeb, flap: { maxProve: "5m" } });
		assert.deepEqual(policyOf(own, namespace, mesh), {
			...permissive,
			direct: false,
			proveMs: 2_000,
			flapCount: 8,
			flapWindowMs: 120_000,
			proveMaxMs: 300_000,
		});
	});

	it("is not what is said for other workloads, for other namespaces, or with a selector in the root namespace", () => {
		const off: HotSwitchSpec = { enabled: false };
		const others = aHotSwitch("others", { ...off, selector: { matchLabels: { app: "x" } } });
		const elsewhere = aHotSwitch("elsewhere", off, { namespace: "shop" });
		assert.deepEqual(policyOf(others, elsewhere, aHotSwitch("root", { ...off, ...forWeb }, root)), permissive);
	});

	it("is the oldest's of two for the same workloads, and the other is named with its winner", () => {
		const young = aHotSwitch("a", { ...forWeb, prove: "1s" }, { createdMs: 2 });
		const old = aHotSwitch("b", { ...forWeb, prove: "2s" }, { createdMs: 1 });
		const idle = aHotSwitch("c", forWeb, root);
		assert.equal(policyOf(young, old)?.proveMs, 2_000);
		assert.deepEqual(
			problemsOf(snapshotOf(young, old, idle)).map(({ object, winner }) => [object, winner]),
			[
				["HotSwitch/default/a", "HotSwitch/default/b"],
				["HotSwitch/istio-system/c", undefined],
			],
		);
	});

	it("is in order also where times of two levels cross", () => {
		const mesh = aHotSwitch("mesh", { lease: "60ms", hang: "80ms", flap: { maxProve: "1s" } }, root);
		const policy = policyOf(mesh, aHotSwitch("ns", { heartbeat: "50ms", prove: "2s" }));
		assert.deepEqual([policy?.leaseMs, policy?.hangMs, policy?.proveMaxMs], [100, 100, 2_000]);
	});

	it("permits plaintext where the workload's own mutual TLS does", () => {
		const strict = { mtls: { mode: "STRICT" } } as const;
		const mesh = aPeerAuthentication("mesh", strict, root);
		assert.equal(policyOf(mesh)?.permitsPlaintext, false);
		assert.equal(
			policyOf(mesh, aPeerAuthentication("own", { ...forWeb, mtls: { mode: "PERMISSIVE" } }))?.permitsPlaintext,
			true,
		);
		assert.equal(policyOf(aPeerAuthentication("own", { ...forWeb, ...strict }))?.permitsPlaintext, false);
	});

	it("is the same object for all workloads that it is equal for, and stays so when others' change", () => {
		const before = snapshotOf(aHotSwitch("ns", { prove: "1s" }));
		const other = aProxy("other-1", { labels: { app: "other" } });
		const policy = viewFor(before, web).hotSwitch;
		assert.equal(viewFor(before, other).hotSwitch, policy);
		const own = aHotSwitch("own", { ...forWeb, prove: "2s" });
		const after = applyChanges(before, applied(own)).snapshot;
		assert.equal(viewFor(after, other).hotSwitch, policy);
		assert.equal(viewFor(after, web).hotSwitch?.proveMs, 2_000);
		assert.equal(viewFor(applyChanges(after, removed(own)).snapshot, web).hotSwitch, policy);
	});

	it("is nothing for gateways", () => {
		const edge = aProxy("edge-1", { type: "router", labels: { app: "edge" } });
		assert.equal(viewFor(snapshotOf(aHotSwitch("mesh", {}, root)), edge).hotSwitch, undefined);
	});
});
