import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ReplicaReport } from "./find-blockers.ts";
import { renderRotation, renderRotationPlan } from "./render-rotation.ts";
import { type AuthorityFacts, noRotation, type RotationKind, type RotationState } from "./rotation-state.ts";
import { type RotationAction, type RotationEvent, stepRotation } from "./step-rotation.ts";

const config = { settleMs: 5000 };
const oldIssuer = { keyId: "i0", rootFingerprint: "r0" };
const newIssuer = { keyId: "i1", rootFingerprint: "r1" };

/** A mesh of one control plane and one proxy, which confirm everything at once unless told otherwise. */
class Mesh {
	state: RotationState = noRotation;
	nowMs = 0;
	roots = ["r0"];
	issuers = [oldIssuer];
	signing = "i0";
	report: Partial<ReplicaReport> = {};
	readonly acted: RotationAction[] = [];

	get authority(): AuthorityFacts {
		const { roots, issuers, signing } = this;
		return { roots, issuers, signing, bundleVersion: `${roots}@${signing}#${this.state.epoch}` };
	}

	send(event: RotationEvent): readonly RotationAction[] {
		const { state, actions } = stepRotation(config, this.state, event);
		this.state = state;
		return actions;
	}

	request(kind: RotationKind): readonly RotationAction[] {
		return this.send({ type: "requested", kind, authority: this.authority, nowMs: this.nowMs });
	}

	abort(): readonly RotationAction[] {
		return this.send({ type: "abortRequested", nowMs: this.nowMs });
	}

	/** Looks until nothing more is to do now, then lets the time pass. */
	pass(ms: number): void {
		this.nowMs += ms;
		for (let turn = 0; turn < 5; turn++) {
			const { bundleVersion } = this.authority;
			const connected = [{ proxy: "a.default", acknowledged: bundleVersion }];
			const report = { replica: "c1", fresh: true, bundleVersion, connected, expected: ["a.default"], ...this.report };
			const actions = this.send({ type: "observed", authority: this.authority, fleet: [report], nowMs: this.nowMs });
			for (const action of actions) this.act(action);
		}
	}

	act(action: RotationAction): void {
		this.acted.push(action);
		if (action.type === "addRoot") {
			this.roots = [...this.roots, "r1"];
			this.issuers = [...this.issuers, newIssuer];
		} else if (action.type === "addIssuer") {
			this.issuers = [...this.issuers, { keyId: "i2", rootFingerprint: "r0" }];
		} else if (action.type === "signWith") this.signing = action.issuerKeyId;
		else if (action.type === "dropRoot") {
			this.roots = this.roots.filter((root) => root !== action.fingerprint);
			this.issuers = this.issuers.filter((issuer) => issuer.rootFingerprint !== action.fingerprint);
		} else if (action.type === "dropIssuer")
			this.issuers = this.issuers.filter((issuer) => issuer.keyId !== action.issuerKeyId);
	}

	get stage(): string {
		return this.state.phase === "running" ? this.state.stage : (this.state.last?.outcome ?? "idle");
	}
}

describe("a rotation", () => {
	it("of the root goes through its stages, each held for the settle time", () => {
		const mesh = new Mesh();
		assert.deepEqual(mesh.request("root"), []);
		const seen: string[] = [];
		for (let second = 0; second < 30 && mesh.state.phase === "running"; second++) {
			mesh.pass(1000);
			if (seen.at(-1) !== mesh.stage) seen.push(mesh.stage);
		}
		assert.deepEqual(seen, ["trust-both", "sign-with-new", "drop-old", "done"]);
		assert.deepEqual(mesh.acted, [
			{ type: "addRoot" },
			{ type: "signWith", issuerKeyId: "i1" },
			{ type: "dropRoot", fingerprint: "r0" },
		]);
		assert.deepEqual([mesh.roots, mesh.signing], [["r1"], "i1"]);
		assert.ok(mesh.nowMs >= 15_000);
	});

	it("of the issuer keeps the root", () => {
		const mesh = new Mesh();
		mesh.request("issuer");
		for (let second = 0; second < 20; second++) mesh.pass(1000);
		assert.deepEqual([mesh.stage, mesh.roots, mesh.signing], ["done", ["r0"], "i2"]);
		assert.deepEqual(mesh.issuers, [{ keyId: "i2", rootFingerprint: "r0" }]);
	});

	const obstacles: readonly (readonly [string, Partial<ReplicaReport>, RegExp])[] = [
		[
			"a proxy that has not confirmed",
			{ connected: [{ proxy: "a.default", acknowledged: "older" }] },
			/a\.default \(at c1\) has not confirmed/,
		],
		[
			"a proxy that exists and is not connected",
			{ expected: ["a.default", "b.default"] },
			/b\.default is expected, and connected to no/,
		],
		["a control plane that is silent", { fresh: false }, /control plane c1 is silent.*--forget-replica c1/],
		["a control plane that hands out an older bundle", { bundleVersion: "older" }, /c1 does not hand out/],
	];
	for (const [what, report, said] of obstacles)
		it(`waits for ${what}, and names it`, () => {
			const mesh = new Mesh();
			mesh.request("root");
			mesh.report = report;
			for (let second = 0; second < 60; second++) mesh.pass(1000);
			assert.equal(mesh.stage, "trust-both");
			assert.equal(mesh.signing, "i0");
			assert.match(renderRotation(mesh.state, mesh.nowMs).join("\n"), said);
			mesh.report = {};
			for (let second = 0; second < 60; second++) mesh.pass(1000);
			assert.equal(mesh.stage, "done");
		});

	it("writes down a hundred of those who are missing, and how many there are", () => {
		const mesh = new Mesh();
		mesh.request("root");
		mesh.report = { expected: Array.from({ length: 5_000 }, (_, index) => `p${index}.default`) };
		mesh.pass(1000);
		assert.ok(mesh.state.phase === "running");
		assert.deepEqual([mesh.state.blockers.length, mesh.state.blockerCount], [100, 5_000]);
		assert.match(renderRotation(mesh.state, mesh.nowMs).at(-1) ?? "", /and 4990 more/);
	});

	it("starts the settle time again when a confirmation is taken back, or the clock is set back", () => {
		const mesh = new Mesh();
		mesh.request("root");
		mesh.pass(0);
		mesh.pass(4000);
		mesh.report = { expected: ["a.default", "late.default"] };
		mesh.pass(500);
		mesh.report = {};
		mesh.pass(500);
		mesh.pass(4500);
		assert.equal(mesh.stage, "trust-both");
		mesh.pass(-3600_000);
		mesh.pass(4000);
		assert.equal(mesh.stage, "trust-both");
		mesh.pass(1000);
		assert.equal(mesh.stage, "sign-with-new");
	});

	it("finds the root that a driver made and did not live to note down", () => {
		const mesh = new Mesh();
		mesh.request("root");
		mesh.act({ type: "addRoot" });
		mesh.pass(0);
		assert.equal(mesh.acted.length, 1);
		assert.equal(mesh.state.phase === "running" ? mesh.state.to?.keyId : "", "i1");
	});

	it("goes back from trust-both by dropping the new root", () => {
		const mesh = new Mesh();
		mesh.request("root");
		mesh.pass(0);
		assert.deepEqual(mesh.abort(), []);
		for (let second = 0; second < 10; second++) mesh.pass(1000);
		assert.deepEqual([mesh.stage, mesh.roots, mesh.signing], ["aborted", ["r0"], "i0"]);
	});

	it("goes back from sign-with-new only when nobody shows a certificate of the new root any more", () => {
		const mesh = new Mesh();
		mesh.request("root");
		for (let second = 0; second < 7; second++) mesh.pass(1000);
		assert.equal(mesh.stage, "sign-with-new");
		mesh.abort();
		mesh.report = { connected: [{ proxy: "a.default", acknowledged: "r0,r1@i0#1" }] };
		for (let second = 0; second < 30; second++) mesh.pass(1000);
		assert.deepEqual([mesh.stage, mesh.roots, mesh.signing], ["sign-with-old", ["r0", "r1"], "i0"]);
		mesh.report = {};
		for (let second = 0; second < 30; second++) mesh.pass(1000);
		assert.deepEqual([mesh.stage, mesh.roots], ["aborted", ["r0"]]);
	});

	it("cannot go back once the old root is being dropped, and says so", () => {
		const mesh = new Mesh();
		mesh.request("root");
		while (mesh.stage !== "drop-old") mesh.pass(1000);
		const [refusal] = mesh.abort();
		assert.match(refusal?.type === "refuse" ? refusal.because : "", /being dropped.*let it finish, then rotate again/);
	});

	it("refuses a second one, and an abort of nothing", () => {
		const mesh = new Mesh();
		assert.equal(mesh.abort()[0]?.type, "refuse");
		mesh.request("root");
		assert.deepEqual(mesh.request("issuer"), [
			{ type: "refuse", because: "a rotation of the root is under way, at stage add" },
		]);
	});

	it("ends when the new root cannot be made, and tries again when another action fails", () => {
		const mesh = new Mesh();
		mesh.request("root");
		mesh.send({ type: "actionFailed", action: { type: "addRoot" }, because: "plugged in", nowMs: 1 });
		assert.match(renderRotation(mesh.state, 1000).join(), /failed 1 s ago.*plugged in/);
		mesh.request("root");
		mesh.pass(0);
		mesh.send({
			type: "actionFailed",
			action: { type: "signWith", issuerKeyId: "i1" },
			because: "disk full",
			nowMs: 2,
		});
		assert.match(renderRotation(mesh.state, 1000).join(), /tried again: disk full/);
	});

	it("says beforehand what it would do and who would block it", () => {
		const lines = renderRotationPlan("root", oldIssuer, [{ type: "proxyAbsent", proxy: "b.default" }]);
		assert.match(lines.join("\n"), /would rotate the root r0[\s\S]*3\. sign-with-new[\s\S]*b\.default is expected/);
	});
});
