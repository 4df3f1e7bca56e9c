import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drill } from "./drill.ts";
import { drillList } from "./drill-list.ts";
import type { DrillMesh, DrillReport, WorkloadCertificate } from "./drill-mesh.ts";
import { rotateIssuerDrill } from "./drills/rotate-issuer.ts";
import { rotateLeafDrill } from "./drills/rotate-leaf.ts";
import { rotateRootDrill } from "./drills/rotate-root.ts";
import { type DrillLine, runDrills } from "./run-drills.ts";

const goodReport: DrillReport = {
	sent: 100,
	byOutcome: { "200": 100 },
	byVersion: {},
	latencyMs: { min: 1, p50: 1, p99: 1, max: 1 },
	longestGapMs: 7,
	durationMs: 200,
	plaintext: 0,
};

/** A mesh in which time passes only when a drill waits. */
class FakeMesh implements DrillMesh {
	reports: DrillReport[] = [];
	now: WorkloadCertificate[] = [{ proxy: "a.default", serial: "1", issuerKeyId: "i0", trusts: ["r0"] }];
	afterRenewal: WorkloadCertificate[] = this.now;
	afterRotation: WorkloadCertificate[] = this.now;
	#nowMs = 0;

	startLoad: DrillMesh["startLoad"] = async () => ({ stop: async () => this.reports.shift() ?? goodReport });
	certificates = async () => this.now;
	made = 10;
	failed = 0;
	failing = 0;
	handshakes = async () => ({ made: this.made, failed: this.failed });
	#rotated(): void {
		this.made += 5;
		this.failed += this.failing;
	}

	renewLeaves = async () => {
		this.#rotated();
		this.#nowMs += 40;
		this.now = this.afterRenewal;
	};
	rotate = async () => {
		this.#rotated();
		this.#nowMs += 5_000;
		this.now = this.afterRotation;
	};
	nowMs = (): number => this.#nowMs;
	sleep = async (ms: number) => {
		this.#nowMs += ms;
	};
}

const run = (drills: readonly Drill[], mesh: DrillMesh, runs = 1): Promise<readonly DrillLine[]> =>
	runDrills(drills, { runs }, mesh, { ends: () => {} });
const broken: Drill = {
	name: "broken",
	summary: "",
	bars: { lost: 0, gapMaxMs: 50, wrong: 0 },
	inject: async () => ({}),
};

describe("a run of drills", () => {
	it("begins without a fault, and gives that gap to the drills that follow", async () => {
		const mesh = new FakeMesh();
		mesh.reports = [goodReport, { ...goodReport, longestGapMs: 9 }, { ...goodReport, longestGapMs: 30 }];
		const lines = await run([broken], mesh, 2);
		assert.deepEqual(
			lines.map(({ figures }) => [figures.drill, figures.run, figures.gapMaxMs, figures.baselineGapMs]),
			[
				["none", 1, 7, null],
				["none", 2, 9, 7],
				["broken", 1, 30, 9],
				["broken", 2, 7, 9],
			],
		);
		assert.ok(lines.every(({ missed }) => missed.length === 0));
	});

	it("begins each load without a fault of its own", async () => {
		const mesh = new FakeMesh();
		const loads: string[] = [];
		mesh.startLoad = async (load) => {
			loads.push(load);
			return { stop: async () => goodReport };
		};
		const lines = await run([broken, { ...broken, name: "address", load: "virtualIp" }], mesh);
		assert.deepEqual(
			lines.map(({ figures }, index) => `${figures.drill} under ${loads[index]}`),
			["none under mesh", "broken under mesh", "none under virtualIp", "address under virtualIp"],
		);
	});

	const bad: readonly (readonly [string, Partial<DrillReport>, RegExp])[] = [
		["a lost request", { byOutcome: { "200": 99, "503": 1 } }, /lost is 1.*1 requests ended in 503/s],
		["a request that never ended", { byOutcome: { "200": 99, timeout: 1 } }, /1 requests ended in timeout/],
		["a gap", { longestGapMs: 51 }, /gapMaxMs is 51, and may be at most 50/],
		["one request in plaintext", { plaintext: 1 }, /wrong is 1/],
		["two owners of an address", { twoOwners: 1 }, /wrong is 1.*two nodes owned the address 1 times/s],
		["no request at all", { sent: 0, byOutcome: {} }, /nothing was sent/],
	];
	for (const [what, report, said] of bad)
		it(`misses its bar for ${what}`, async () => {
			const mesh = new FakeMesh();
			mesh.reports = [goodReport, { ...goodReport, ...report }];
			const [, line] = await run([broken], mesh);
			assert.match(line?.missed.join("\n") ?? "", said);
		});

	it("says of a missed bar that the sender got no processor, and of none that was kept", async () => {
		const mesh = new FakeMesh();
		const late = { ...goodReport, lateMs: 900 };
		mesh.reports = [late, { ...late, byOutcome: { timeout: 100 } }];
		const [kept, missed] = await run([broken], mesh);
		assert.match(missed?.missed.join() ?? "", /the sender itself was 900 ms late/);
		assert.deepEqual(kept?.missed, []);
	});

	it("misses its bar when it could not be done, or did not measure what it must", async () => {
		const failing = { ...broken, inject: () => Promise.reject(new Error("no such pod")) };
		assert.match((await run([failing], new FakeMesh()))[1]?.missed.join() ?? "", /no such pod/);
		const silent = { ...broken, bars: { detectMs: 50 } };
		assert.match((await run([silent], new FakeMesh()))[1]?.missed.join() ?? "", /detectMs was not measured/);
	});

	it("has a name and help for each, once", () => {
		assert.equal(new Set(drillList.map(({ name }) => name)).size, drillList.length);
		assert.ok(drillList.every(({ summary }) => summary.length > 10));
	});
});

describe("a drill of a rotation", () => {
	const after = (change: Partial<WorkloadCertificate>): WorkloadCertificate[] => [
		{ proxy: "a.default", serial: "1", issuerKeyId: "i0", trusts: ["r0"], ...change },
	];
	const cases: readonly (readonly [Drill, WorkloadCertificate[], RegExp])[] = [
		[rotateLeafDrill, after({}), /a\.default shows the certificate that it had before/],
		[rotateLeafDrill, after({ serial: "2" }), /^$/],
		[rotateIssuerDrill, after({ serial: "2" }), /still shows a certificate of the old issuer/],
		[rotateIssuerDrill, after({ issuerKeyId: "i1", trusts: ["r1"] }), /the roots have changed/],
		[rotateIssuerDrill, after({ issuerKeyId: "i1" }), /^$/],
		[rotateRootDrill, after({ issuerKeyId: "i0", trusts: ["r1"] }), /still shows a certificate of the old root/],
		[rotateRootDrill, after({ issuerKeyId: "i1", trusts: ["r0", "r1"] }), /does not trust the new root alone/],
		[rotateRootDrill, after({ issuerKeyId: "i1", trusts: ["r0"] }), /does not trust the new root alone/],
		[rotateRootDrill, after({ issuerKeyId: "i1", trusts: ["r1"] }), /^$/],
	];
	for (const [drill, certificates, said] of cases)
		it(`${drill.name} ends with ${JSON.stringify(certificates[0])}: ${said}`, async () => {
			const mesh = new FakeMesh();
			mesh.afterRenewal = certificates;
			mesh.afterRotation = certificates;
			const [, line] = await run([drill], mesh);
			assert.match(line?.missed.join() ?? "", said);
			if (line?.missed.length === 0) assert.equal(line.figures.convergeMs, drill === rotateLeafDrill ? 40 : 5_000);
		});

	it("does not pass when one handshake failed, although no request was lost", async () => {
		const mesh = new FakeMesh();
		mesh.afterRenewal = after({ serial: "2" });
		mesh.failing = 1;
		assert.match((await run([rotateLeafDrill], mesh))[1]?.missed.join() ?? "", /1 TLS handshakes failed/);
	});

	it("does not pass in a mesh without certificates", async () => {
		for (const drill of [rotateLeafDrill, rotateIssuerDrill, rotateRootDrill]) {
			const mesh = new FakeMesh();
			mesh.now = [];
			assert.match((await run([drill], mesh))[1]?.missed.join() ?? "", /no workload has a certificate/);
		}
	});
});
