// The steps of the tour in which parts of the mesh itself break: a workload's Envoy, every control plane.

import { goodAnswers, type LoadReport } from "../load/load-report.ts";
import type { TourMesh } from "./tour-mesh.ts";
import type { TourStep } from "./tour-steps.ts";

const ratePerSecond = 500;
const load = { path: "/api/v1/products/0", concurrency: 8, ratePerSecond };
const plaintext = { path: "/details/0", requests: 20, concurrency: 4 };
const beforeMs = 300;
const afterMs = 400;
/** Long enough for a new Envoy that has to prove itself. */
const restoreLoad = { ...load, requests: 3 * ratePerSecond };
/** Of requests that were under way, and those that came before the kernel knew. */
const mostLostByCrash = Math.ceil(0.06 * ratePerSecond);
/** Whatever was given to an Envoy that hangs is lost with it. */
const mostLostByHang = Math.ceil(0.25 * ratePerSecond);

export const crashStep: TourStep = {
	title: `The Envoy of details is killed under ${ratePerSecond} requests a second, and gets its connections back`,
	expected: `at most ${mostLostByCrash} lost when it dies, 0 from then on; no plaintext is answered meanwhile`,
	run: (mesh) => breakUnderLoad(mesh, "SIGKILL", mostLostByCrash),
};

export const hangStep: TourStep = {
	title: `The Envoy of details is stopped, so that it hangs, under ${ratePerSecond} requests a second`,
	expected: `at most ${mostLostByHang} lost until it is found and killed, 0 from then on; no plaintext is answered`,
	run: (mesh) => breakUnderLoad(mesh, "SIGSTOP", mostLostByHang),
};

async function breakUnderLoad(mesh: TourMesh, signal: "SIGKILL" | "SIGSTOP", most: number) {
	const requests = ((beforeMs + afterMs) / 1000) * ratePerSecond;
	const during = mesh.send({ ...load, requests });
	await mesh.sleep(beforeMs);
	await mesh.breakProxy("details-v1", signal);
	const report = await during;
	const restored = mesh.proxyRestored();
	const [past, then] = await Promise.all([mesh.sendPast("details-v1", plaintext), mesh.send(restoreLoad), restored]);
	const ok = lost(report) <= most && lost(then) === 0 && then.sent === restoreLoad.requests && goodAnswers(past) === 0;
	const gap = `longest gap ${report.longestGapMs.toFixed(0)} ms`;
	const measured = `${lost(report)} of ${report.sent} lost, ${gap}; then ${lost(then)} of ${then.sent}; plaintext answered ${goodAnswers(past)} times`;
	return { ok, measured, reports: [report, then, past] };
}

const outageLoad = { ...load, requests: 6 * ratePerSecond };

export const controlPlanesStep: TourStep = {
	title: `Every control plane is dead under ${ratePerSecond} requests a second, and an Envoy is started anew meanwhile`,
	expected: "0 lost; the new Envoy serves from its node's disk before any control plane is back",
	async run(mesh) {
		await mesh.killControlPlanes();
		try {
			let isOver = false;
			const under = mesh.send(outageLoad).finally(() => {
				isOver = true;
			});
			await mesh.sleep(beforeMs);
			await mesh.breakProxy("ratings-v1", "SIGKILL");
			await mesh.proxyRestored();
			const isInTime = !isOver;
			const report = await under;
			const ok = lost(report) === 0 && report.sent === outageLoad.requests && isInTime;
			const measured = `${lost(report)} of ${report.sent} lost; the new Envoy ${isInTime ? "served meanwhile" : "was too late to say"}`;
			return { ok, measured, reports: [report] };
		} finally {
			await mesh.reviveControlPlanes();
		}
	},
};

function lost(report: LoadReport): number {
	return report.sent - goodAnswers(report);
}
