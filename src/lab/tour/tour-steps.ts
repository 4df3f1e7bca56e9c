// The tour: what is done, what should come of it, and what did. Each step sends real requests and judges what it measured.

import { goodAnswers, type LoadReport } from "../load/load-report.ts";
import { controlPlanesStep, crashStep, hangStep } from "./outage-steps.ts";
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

const strict: TourStep = {
	title: "STRICT mutual TLS: a client without a certificate asks a pod of details directly, before and after",
	expected: "before: 100 × 200; after: no answer to any of 100, and 200 of 200 through the mesh",
	file: "strict.yaml",
	async run(mesh) {
		const plain = { path: "/details/0", requests: 100, concurrency: 4 };
		const before = await mesh.sendPast("details-v1", plain);
		await mesh.apply("strict.yaml");
		const after = await mesh.sendPast("details-v1", plain);
		const inside = await mesh.send({ path: detailsPath, requests: 200, concurrency: 4 });
		const ok = answered(before, "200") === 100 && isUnanswered(after) && answered(inside, "200") === 200;
		const measured = `before: ${outcomes(before)}; after: ${outcomes(after)}; through the mesh: ${outcomes(inside)}`;
		return { ok, measured, reports: [before, after, inside] };
	},
};

/** A connection from before a change of policy serves one more request by the old one, then it is closed. */
const mostFromBefore = 8;

const denied: TourStep = {
	title: "A policy denies one caller: the product page may not ask details any more",
	expected: `details 403 but for one request at most on each of up to ${mostFromBefore} open connections, reviews 100 × 200; then the reverse`,
	file: "deny-caller.yaml",
	async run(mesh) {
		await mesh.apply("deny-caller.yaml");
		const details = await mesh.send({ path: detailsPath, requests: 100, concurrency: 4 });
		const reviews = await mesh.send({ path: reviewsPath, requests: 100, concurrency: 4 });
		await mesh.remove("deny-caller.yaml");
		const again = await mesh.send({ path: detailsPath, requests: 100, concurrency: 4 });
		const isChanged = (report: LoadReport, from: string, to: string): boolean =>
			answered(report, to) >= 100 - mostFromBefore && answered(report, to) + answered(report, from) === 100;
		const ok = isChanged(details, "200", "403") && answered(reviews, "200") === 100 && isChanged(again, "403", "200");
		const measured = `details ${outcomes(details)}; reviews ${outcomes(reviews)}; without it details ${outcomes(again)}`;
		return { ok, measured, reports: [details, reviews, again] };
	},
};

/** At 500 a second: longer than the rotation takes. */
const rotationLoad = 4000;

const rotation: TourStep = {
	title: "The root certificate of the whole mesh is replaced, under 500 requests a second",
	expected: "0 lost, the old root gone, while requests go on",
	async run(mesh) {
		const load = mesh.send({ path: detailsPath, requests: rotationLoad, concurrency: 8, ratePerSecond: 500 });
		const [{ before, after, tookMs }, report] = await Promise.all([mesh.rotateRoot(), load]);
		const isReplaced = after.length === 1 && !before.includes(after[0] ?? "");
		const ok = isReplaced && lost(report) === 0 && tookMs < report.durationMs;
		const measured = `${lost(report)} of ${report.sent} lost; old root ${isReplaced ? "gone" : "still there"} after ${(tookMs / 1000).toFixed(1)} s of ${(report.durationMs / 1000).toFixed(1)} s`;
		return { ok, measured, reports: [report] };
	},
};

/** 6 s at 500 a second: longer than the replacement takes. */
const replacementLoad = { path: "/details/0", requests: 3000, concurrency: 8, ratePerSecond: 500 };

const layer4: TourStep = {
	title: "Layer 4, no proxy: all three servers of a Service are replaced under 500 new connections a second",
	expected: "0 lost, all servers replaced while requests go on",
	file: "layer4.yaml",
	async run(mesh) {
		await mesh.apply("layer4.yaml");
		await mesh.podsReady("plain-details", 3);
		await untilServed(mesh);
		let isOver = false;
		const load = mesh.sendLayer4("plain-details", replacementLoad).finally(() => {
			isOver = true;
		});
		await mesh.sleep(300);
		await mesh.apply("layer4-replaced.yaml");
		await mesh.podsReady("plain-details", 3);
		const isInTime = !isOver;
		const report = await load;
		await mesh.remove("layer4.yaml");
		const ok = isInTime && report.sent === replacementLoad.requests && lost(report) === 0;
		const measured = `${lost(report)} of ${report.sent} lost; replaced ${isInTime ? "meanwhile" : "too late to say"}`;
		return { ok, measured, reports: [report] };
	},
};

/** Ten connections in a row: every node knows the Service. */
async function untilServed(mesh: TourMesh): Promise<void> {
	const ten = { path: "/details/0", requests: 10, concurrency: 1 };
	for (let attempt = 0; attempt < 100; attempt++) {
		if (answered(await mesh.sendLayer4("plain-details", ten), "200") === 10) return;
		await mesh.sleep(100);
	}
	throw new Error("plain-details does not answer");
}

const virtualAddress = "10.77.0.240";
/** 3 s at 500 a second. */
const crashOwnerLoad = {
	path: "/",
	headers: { host: "edge.example" },
	requests: 1500,
	concurrency: 8,
	ratePerSecond: 500,
};
/** A dead owner is found in 100 ms; the rest is for busy machines. */
const mostGapMs = 500;

const virtualIp: TourStep = {
	title:
		"A Service of two gateways on two nodes, at a virtual IP; the node that owns it dies under 500 requests a second",
	expected: `the other node owns it, no gap over ${mostGapMs} ms, lost only what came within it`,
	file: "virtual-ip.yaml",
	async run(mesh) {
		await mesh.apply("virtual-ip.yaml");
		await mesh.podsReady("istio-ingressgateway", 2);
		const owner = await untilOwned(mesh);
		const load = mesh.send(crashOwnerLoad, virtualAddress);
		await mesh.sleep(1000);
		await mesh.crashNode(owner);
		const report = await load.finally(() => mesh.repairNode(owner));
		const now = await mesh.ownerOf(virtualAddress);
		const most = (mostGapMs * crashOwnerLoad.ratePerSecond) / 1000;
		const ok = now !== undefined && now !== owner && report.longestGapMs <= mostGapMs && lost(report) <= most;
		const measured = `${owner} died, ${now ?? "nobody"} owns it; gap ${report.longestGapMs.toFixed(0)} ms; ${outcomes(report)}`;
		return { ok, measured, reports: [report] };
	},
};

/** And answered: ten requests in a row. */
async function untilOwned(mesh: TourMesh): Promise<string> {
	for (let attempt = 0; attempt < 200; attempt++) {
		const owner = await mesh.ownerOf(virtualAddress);
		if (owner !== undefined) {
			const ten = { ...crashOwnerLoad, requests: 10, concurrency: 1 };
			if (answered(await mesh.send(ten, virtualAddress), "200") === 10) return owner;
		}
		await mesh.sleep(100);
	}
	throw new Error(`nobody owns ${virtualAddress}`);
}

export const tourSteps: readonly TourStep[] = [
	serve,
	canary,
	byHeader,
	fault,
	retries,
	outlier,
	strict,
	denied,
	rotation,
	crashStep,
	hangStep,
	controlPlanesStep,
	layer4,
	virtualIp,
];

/** Nothing that is an HTTP status: connections were refused or broken off. */
function isUnanswered(report: LoadReport): boolean {
	return report.sent > 0 && Object.keys(report.byOutcome).every((outcome) => !/^\d{3}$/.test(outcome));
}

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
