// The tour: what is done, what should come of it, and what did. Each step sends real requests and judges what it measured.

import { goodAnswers, type LoadReport } from "../load/load-report.ts";
import type { TourMesh } from "./tour-mesh.ts";

export interface StepResult {
	readonly ok: boolean;
	readonly measured: string;
	readonly reports: readonly LoadReport[];
}

export interface TourStep {
	/** What is done, as a sentence. */
	readonly title: string;
	readonly expected: string;
	/** The file to look at, below samples/bookinfo/tour/. */
	readonly file?: string;
	readonly run: (mesh: TourMesh) => Promise<StepResult>;
}

const reviewsPath = "/api/v1/products/0/reviews";
const detailsPath = "/api/v1/products/0";
const jason = { cookie: "session=jason" };
const reviewsVersion = "x-reviews-version";

const serve: TourStep = {
	title: "200 requests to the product page, through gateway and sidecars",
	expected: "200 answers with status 200",
	file: "gateway.yaml",
	async run(mesh) {
		const report = await mesh.send({ path: "/productpage", requests: 200, concurrency: 4 });
		return { ok: answered(report, "200") === 200, measured: outcomes(report), reports: [report] };
	},
};

const canaryRequests = 2000;
/** Four standard deviations of a fair 10 % draw: a right mesh falls outside once in 16,000 tours. */
const canarySlack = Math.ceil(4 * Math.sqrt(canaryRequests * 0.1 * 0.9));

const canary: TourStep = {
	title: "Canary: 90 % of reviews to v1, 10 % to v2, over 2,000 requests",
	expected: `v2 gets ${canaryRequests / 10} ± ${canarySlack}, none is lost`,
	file: "canary.yaml",
	async run(mesh) {
		await mesh.apply("canary.yaml");
		const report = await mesh.send({
			path: reviewsPath,
			requests: canaryRequests,
			concurrency: 4,
			countHeader: reviewsVersion,
		});
		const { v1 = 0, v2 = 0 } = report.byVersion;
		const near = Math.abs(v2 - canaryRequests / 10) <= canarySlack;
		const ok = near && v1 + v2 === canaryRequests && answered(report, "200") === canaryRequests;
		return { ok, measured: `v1 ${v1}, v2 ${v2}; ${outcomes(report)}`, reports: [report] };
	},
};

const byHeader: TourStep = {
	title: "Routing by header: jason sees v2, others v1",
	expected: "jason 200 of 200 at v2, others 200 of 200 at v1",
	file: "by-header.yaml",
	async run(mesh) {
		await mesh.apply("by-header.yaml");
		const load = { path: reviewsPath, requests: 200, concurrency: 4, countHeader: reviewsVersion };
		const his = await mesh.send({ ...load, headers: jason });
		const others = await mesh.send(load);
		const ok = his.byVersion.v2 === 200 && others.byVersion.v1 === 200;
		const measured = `jason ${his.byVersion.v2 ?? 0} at v2, others ${others.byVersion.v1 ?? 0} at v1`;
		return { ok, measured, reports: [his, others] };
	},
};

const delayMs = 300;
/** Envoy's timers count whole milliseconds, the sender's clock parts of them. */
const timerTickMs = 1;

const fault: TourStep = {
	title: "Faults: details aborts with 555 for jason, is 300 ms late for others",
	expected: "jason 100 times 555; others 40 times 200, none under 300 ms",
	file: "fault.yaml",
	async run(mesh) {
		await mesh.apply("fault.yaml");
		const his = await mesh.send({ path: detailsPath, headers: jason, requests: 100, concurrency: 4 });
		const others = await mesh.send({ path: detailsPath, requests: 40, concurrency: 8 });
		await mesh.remove("fault.yaml");
		const ok =
			answered(his, "555") === 100 && answered(others, "200") === 40 && others.latencyMs.min >= delayMs - timerTickMs;
		const measured = `jason ${outcomes(his)}; others ${outcomes(others)}, fastest ${others.latencyMs.min.toFixed(0)} ms`;
		return { ok, measured, reports: [his, others] };
	},
};

const crashes = 3;
/** 4.5 s at 500 a second: enough that each crash meets requests under way. */
const crashLoad = 2250;

const retries: TourStep = {
	title: `Retries: one of two details pods is killed ${crashes} times under load, first without, then with retries`,
	expected: "without: some are lost; with: 0 lost",
	file: "retries.yaml",
	async run(mesh) {
		await mesh.apply("second-details.yaml");
		await mesh.podsReady("details-v2", 1);
		await mesh.apply("no-retries.yaml");
		const without = await crashUnderLoad(mesh);
		await mesh.podsReady("details-v2", 1);
		await mesh.apply("retries.yaml");
		const withRetries = await crashUnderLoad(mesh);
		const ok = lost(without) > 0 && lost(withRetries) === 0;
		const measured = `without: ${lost(without)} of ${without.sent} lost; with: ${lost(withRetries)} of ${withRetries.sent} lost`;
		return { ok, measured, reports: [without, withRetries] };
	},
};

async function crashUnderLoad(mesh: TourMesh): Promise<LoadReport> {
	const load = mesh.send({ path: detailsPath, requests: crashLoad, concurrency: 8, ratePerSecond: 500 });
	let over = false;
	const finished = load.finally(() => {
		over = true;
	});
	for (let crash = 0; crash < crashes && !over; crash++) {
		await mesh.podsReady("details-v2", 1);
		await mesh.crash("details-v2");
	}
	return finished;
}

/** Three errors in a row eject the pod; a few more may be under way at that moment. */
const mostErrorsBeforeEjection = 3 + 8;

const outlier: TourStep = {
	title: "Outlier ejection: one of two details pods answers only errors",
	expected: `1 to ${mostErrorsBeforeEjection} errors until it is ejected, then 0 of 300`,
	file: "outlier.yaml",
	async run(mesh) {
		await mesh.apply("no-retries.yaml");
		await mesh.apply("outlier.yaml");
		await mesh.apply("failing-details.yaml");
		await mesh.podsReady("details-v2", 1);
		const first = await mesh.send({ path: detailsPath, requests: 300, concurrency: 4 });
		const then = await mesh.send({ path: detailsPath, requests: 300, concurrency: 4 });
		for (const file of ["no-retries.yaml", "outlier.yaml", "failing-details.yaml"]) await mesh.remove(file);
		const ok = lost(first) >= 1 && lost(first) <= mostErrorsBeforeEjection && lost(then) === 0;
		return { ok, measured: `${lost(first)} errors, then ${lost(then)} of ${then.sent}`, reports: [first, then] };
	},
};

export const tourSteps: readonly TourStep[] = [serve, canary, byHeader, fault, retries, outlier];

function answered(report: LoadReport, outcome: string): number {
	return report.byOutcome[outcome] ?? 0;
}

function lost(report: LoadReport): number {
	return report.sent - goodAnswers(report);
}

function outcomes(report: LoadReport): string {
	return Object.entries(report.byOutcome)
		.map(([outcome, count]) => `${count} × ${outcome}`)
		.join(", ");
}
