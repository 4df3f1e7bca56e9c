import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { LoadReport } from "../load/load-report.ts";
import { renderTour } from "./render-tour.ts";
import { runTour } from "./run-tour.ts";
import type { TourLoad, TourMesh } from "./tour-mesh.ts";
import { tourSteps } from "./tour-steps.ts";

function report(sent: number, parts: Partial<LoadReport> = {}): LoadReport {
	return {
		sent,
		byOutcome: { "200": sent },
		byVersion: { none: sent },
		latencyMs: { min: 301, p50: 301, p99: 301, max: 301 },
		longestGapMs: 0,
		durationMs: 0,
		...parts,
	};
}

/** A mesh that does as the last applied file says, as far as the tour can tell. */
function fakeMesh(wrong: (load: TourLoad, applied: string) => LoadReport | undefined = () => undefined): TourMesh {
	let applied = "";
	let isStrict = false;
	let failingSent = 0;
	let owner = "node-1";
	return {
		apply: async (file) => {
			applied = file;
			isStrict ||= file === "strict.yaml";
		},
		remove: async () => {
			applied = "";
		},
		podsReady: async () => {},
		crash: async () => {},
		breakProxy: async () => {},
		proxyRestored: async () => {},
		killControlPlanes: async () => {},
		reviveControlPlanes: async () => {},
		sendPast: async (_, load) => {
			const odd = wrong({ ...load, path: `past:${load.path}` }, applied);
			return odd ?? report(load.requests, isStrict ? { byOutcome: { ECONNRESET: load.requests } } : {});
		},
		sendLayer4: async (_, load) => {
			// All else happens meanwhile.
			await new Promise((resolve) => setImmediate(resolve));
			return wrong({ ...load, path: `layer4:${load.path}` }, applied) ?? report(load.requests);
		},
		sleep: async () => {},
		ownerOf: async () => owner,
		crashNode: async () => {
			owner = "node-2";
		},
		repairNode: async () => {},
		rotateRoot: async () => ({ before: ["old"], after: ["new"], tookMs: 1000 }),
		send: async (load) => {
			const answer = answerTo(load);
			// All else happens meanwhile.
			await new Promise((resolve) => setImmediate(resolve));
			return answer;
		},
	};

	function answerTo(load: TourLoad): LoadReport {
		const isJason = load.headers !== undefined;
		const odd = wrong(load, applied);
		if (odd) return odd;
		if (applied === "canary.yaml") return report(2000, { byVersion: { v1: 1790, v2: 210 } });
		if (applied === "by-header.yaml") return report(200, { byVersion: isJason ? { v2: 200 } : { v1: 200 } });
		if (applied === "fault.yaml" && isJason) return report(100, { byOutcome: { "555": 100 } });
		if (applied === "no-retries.yaml") return report(2250, { byOutcome: { "200": 2240, "503": 10 } });
		if (applied === "failing-details.yaml" && failingSent++ === 0)
			return report(300, { byOutcome: { "200": 297, "500": 3 } });
		if (applied === "deny-caller.yaml" && load.path === "/api/v1/products/0")
			return report(load.requests, { byOutcome: { "403": load.requests } });
		return report(load.requests, { durationMs: 8000 });
	}
}

const detailsPath = "/api/v1/products/0";

/** Only the first such load goes wrong. */
function oddOnce(isIt: (load: TourLoad) => boolean, byOutcome: LoadReport["byOutcome"]) {
	let was = false;
	return (load: TourLoad): LoadReport | undefined => {
		if (was || !isIt(load)) return undefined;
		was = true;
		return report(load.requests, { byOutcome });
	};
}

const quiet = { begins() {}, ends() {} };

describe("the tour", () => {
	it("passes a mesh that does what it is told, and counts every request", async () => {
		const lines = await runTour(tourSteps, fakeMesh(), new VirtualClock(), quiet);
		assert.deepEqual(
			lines.filter((line) => !line.ok),
			[],
		);
		assert.match(renderTour(lines), /All 14 as expected: 23780 requests/);
	});

	const wrongs: readonly (readonly [string, number, (load: TourLoad, applied: string) => LoadReport | undefined])[] = [
		[
			"a page is lost",
			1,
			(load) => (load.path === "/productpage" ? report(200, { byOutcome: { "200": 199, "503": 1 } }) : undefined),
		],
		[
			"the canary gets a fifth",
			2,
			(_, file) => (file === "canary.yaml" ? report(2000, { byVersion: { v1: 1600, v2: 400 } }) : undefined),
		],
		[
			"one of jason's requests goes astray",
			3,
			(load, file) =>
				file === "by-header.yaml" && load.headers ? report(200, { byVersion: { v1: 1, v2: 199 } }) : undefined,
		],
		[
			"the delay is not there",
			4,
			(load, file) =>
				file === "fault.yaml" && !load.headers
					? report(40, { latencyMs: { min: 2, p50: 2, p99: 2, max: 2 } })
					: undefined,
		],
		[
			"retries lose one",
			5,
			(_, file) => (file === "retries.yaml" ? report(2250, { byOutcome: { "200": 2249, "503": 1 } }) : undefined),
		],
		[
			"nothing is lost without retries, so that they prove nothing",
			5,
			(_, file) => (file === "no-retries.yaml" ? report(2250) : undefined),
		],
		[
			"the bad pod is never ejected",
			6,
			(load, file) =>
				file === "failing-details.yaml" ? report(load.requests, { byOutcome: { "200": 290, "500": 10 } }) : undefined,
		],
		[
			"plaintext is answered under STRICT",
			7,
			(load, file) => (file === "strict.yaml" && load.path.startsWith("past:") ? report(100) : undefined),
		],
		[
			"plaintext is refused from the start, so that STRICT proves nothing",
			7,
			(load, file) =>
				file === "" && load.path.startsWith("past:") ? report(100, { byOutcome: { ECONNRESET: 100 } }) : undefined,
		],
		["the denied caller is let in", 8, (_, file) => (file === "deny-caller.yaml" ? report(100) : undefined)],
		[
			"nobody answers for longer than a busy machine needs",
			14,
			(load, file) =>
				file === "virtual-ip.yaml" && load.requests === 1500 ? report(1500, { longestGapMs: 501 }) : undefined,
		],
		[
			"a connection is lost while servers are replaced",
			13,
			(load) =>
				load.path === "layer4:/details/0" && load.requests === 3000
					? report(3000, { byOutcome: { "200": 2999, ECONNREFUSED: 1 } })
					: undefined,
		],
		[
			"more is lost than what came within the gap",
			14,
			(load, file) =>
				file === "virtual-ip.yaml" && load.requests === 1500
					? report(1500, { byOutcome: { "200": 1249, ECONNRESET: 251 } })
					: undefined,
		],
		[
			"more is lost with an Envoy that is killed than was under way",
			10,
			oddOnce((load) => load.requests === 350, { "200": 319, "503": 31 }),
		],
		[
			"one is lost while an Envoy gets its connections back",
			10,
			oddOnce((load) => load.requests === 1500 && load.path === detailsPath, { "200": 1499, "503": 1 }),
		],
		[
			"plaintext is answered while an Envoy is dead",
			10,
			oddOnce((load) => load.requests === 20, { "200": 1, ECONNRESET: 19 }),
		],
		[
			"one is lost while every control plane is dead",
			12,
			oddOnce((load) => load.requests === 3000 && load.path === detailsPath, { "200": 2999, "503": 1 }),
		],
		[
			"the rotation loses one",
			9,
			(load) => (load.requests === 4000 ? report(4000, { byOutcome: { "200": 3999, "503": 1 } }) : undefined),
		],
	];
	for (const [what, step, wrong] of wrongs)
		it(`fails when ${what}`, async () => {
			const lines = await runTour(tourSteps, fakeMesh(wrong), new VirtualClock(), quiet);
			assert.deepEqual(
				lines.flatMap((line, index) => (line.ok ? [] : [index + 1])),
				[step],
			);
			assert.match(renderTour(lines), /1 of 14 NOT as expected/);
		});

	it("fails when the address stays with the node that died", async () => {
		const mesh = { ...fakeMesh(), crashNode: async () => {} };
		const lines = await runTour(tourSteps, mesh, new VirtualClock(), quiet);
		assert.equal(lines[13]?.ok, false);
	});

	it("brings the control planes back when no new Envoy serves from disk, and says so", async () => {
		const done: string[] = [];
		const mesh = {
			...fakeMesh(),
			proxyRestored: () => (done.includes("kill") ? Promise.reject(new Error("it does not serve")) : Promise.resolve()),
			killControlPlanes: async () => void done.push("kill"),
			reviveControlPlanes: async () => void done.push("revive"),
		};
		const lines = await runTour(tourSteps, mesh, new VirtualClock(), quiet);
		assert.match(lines[11]?.measured ?? "", /failed: it does not serve/);
		assert.deepEqual(done, ["kill", "revive"]);
	});

	it("fails when the old root is still trusted after the rotation", async () => {
		const rotateRoot = async () => ({ before: ["old"], after: ["new", "old"], tookMs: 1000 });
		const lines = await runTour(tourSteps, { ...fakeMesh(), rotateRoot }, new VirtualClock(), quiet);
		assert.match(lines[8]?.measured ?? "", /still there/);
		assert.equal(lines[8]?.ok, false);
	});

	it("goes on after a step that breaks, and says why it broke", async () => {
		const mesh = { ...fakeMesh(), crash: () => Promise.reject(new Error("no such pod")) };
		const lines = await runTour(tourSteps, mesh, new VirtualClock(), quiet);
		assert.match(lines[4]?.measured ?? "", /failed: no such pod/);
		assert.equal(lines[5]?.ok, true);
	});
});
