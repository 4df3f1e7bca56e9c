import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodReport, ServingReport } from "./serving-report.ts";
import {
	decodeServingAnswer,
	decodeServingReport,
	encodeServingAnswer,
	encodeServingReport,
} from "./serving-report-codec.ts";

const pod: PodReport = {
	proxyId: "sidecar~10.1.0.5~web-1.shop~shop.svc.cluster.local",
	namespace: "shop",
	name: "web-1",
	serviceAccount: "web",
	ready: false,
	serving: {
		step: "direct",
		sinceMs: 1_700_000_000_000,
		cause: "exited",
		because: "the sidecar was ended by SIGKILL",
		bypass: { by: "anna", why: "test", untilMs: 1_700_000_060_000 },
	},
	requests: { total: 100, serverErrors: 3, atMs: 1_700_000_000_001 },
	calls: { total: 7, serverErrors: 0, atMs: 1_700_000_000_001 },
};
const report: ServingReport = {
	node: "n1",
	agentMs: 1_700_000_000_000,
	sequence: 4,
	pods: [pod],
	events: [
		{
			id: "n1/1/1",
			atMs: 1_700_000_000_000,
			node: "n1",
			namespace: "shop",
			pod: "web-1",
			from: "sidecar",
			to: "direct",
			cause: "exited",
			because: "the sidecar was ended by SIGKILL",
			by: "keepmesh",
		},
	],
};

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe("a serving report on the wire", () => {
	it("is read as it was written", () => {
		assert.deepEqual(decodeServingReport(encodeServingReport(report)), { ok: true, report });
	});

	it("may leave out what a pod does not have", () => {
		const { serving: _s, requests: _r, calls: _c, ...bare } = pod;
		const bareReport = { ...report, pods: [bare], events: [] };
		assert.deepEqual(decodeServingReport(encodeServingReport(bareReport)), { ok: true, report: bareReport });
	});

	it("may name a cause and fields that only a newer node knows", () => {
		const serving = { ...pod.serving, cause: "somethingNew", more: 1 };
		const decoded = decodeServingReport(bytesOf({ ...report, pods: [{ ...pod, serving }] }));
		assert.equal(decoded.ok && decoded.report.pods[0]?.serving?.cause, "somethingNew");
	});

	for (const [what, value, because] of [
		["a step that nobody knows", { ...report, pods: [{ ...pod, serving: { ...pod.serving, step: "gone" } }] }, /step/],
		["a number that is none", { ...report, sequence: "4" }, /sequence is no number/],
		["a negative number", { ...report, agentMs: -1 }, /agentMs/],
		["no list of pods", { ...report, pods: {} }, /pods is no list/],
		["a pod without a name", { ...report, pods: [{ ...pod, name: undefined }] }, /pods\[0\]\.name is no text/],
		["a text without end", { ...report, pods: [{ ...pod, name: "x".repeat(3000) }] }, /longer than/],
		["another value than an object", [], /is no object/],
	] as const)
		it(`is refused whole with ${what}`, () => {
			const decoded = decodeServingReport(bytesOf(value));
			assert.equal(decoded.ok, false);
			assert.match(decoded.ok ? "" : decoded.because, because);
		});

	it("is refused when it is no JSON", () => {
		assert.equal(decodeServingReport(new Uint8Array([0x7b, 0xff])).ok, false);
	});

	it("has an answer that is read as it was written", () => {
		const answer = { instance: "control-1/5", refused: [{ proxyId: pod.proxyId, because: "not yours" }] };
		assert.deepEqual(decodeServingAnswer(encodeServingAnswer(answer)), answer);
		assert.equal(decodeServingAnswer(bytesOf({ instance: 1 })), undefined);
	});
});
