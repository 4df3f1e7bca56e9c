import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { emptyServingBoard, nextExpiryMs, podReportOf, withoutSilent, withReport } from "./serving-board.ts";
import type { PodReport, ServingReport } from "./serving-report.ts";

const pod = (name: string, ready: boolean): PodReport => ({
	proxyId: `sidecar~10.1.0.5~${name}`,
	namespace: "shop",
	name,
	serviceAccount: "web",
	ready,
});

const report = (node: string, sequence: number, pods: readonly PodReport[], agentMs = 1000): ServingReport => ({
	node,
	agentMs,
	sequence,
	pods,
	events: [],
});

describe("the serving board", () => {
	it("keeps the newest report of each node", () => {
		let board = withReport(emptyServingBoard, report("n1", 1, [pod("a", true)]), 0);
		board = withReport(board, report("n2", 1, [pod("b", true)]), 0);
		board = withReport(board, report("n1", 2, [pod("a", false)]), 5);
		assert.equal(podReportOf(board, pod("a", true).proxyId)?.ready, false);
		assert.equal(podReportOf(board, pod("b", true).proxyId)?.node, "n2");
	});

	it("says nothing of a pod that its node leaves out", () => {
		const before = withReport(emptyServingBoard, report("n1", 1, [pod("a", true)]), 0);
		assert.equal(podReportOf(withReport(before, report("n1", 2, []), 1), pod("a", true).proxyId), undefined);
	});

	it("is unchanged by a report that was overtaken, and by one of an agent that has been replaced", () => {
		const board = withReport(emptyServingBoard, report("n1", 3, [pod("a", true)], 2000), 0);
		assert.equal(withReport(board, report("n1", 3, []), 1), board);
		assert.equal(withReport(board, report("n1", 2, [], 2000), 1), board);
		assert.equal(withReport(board, report("n1", 9, [], 1999), 1), board);
	});

	it("takes the first report of a new agent, whatever its number", () => {
		const board = withReport(emptyServingBoard, report("n1", 30, [pod("a", true)], 2000), 0);
		assert.equal(withReport(board, report("n1", 1, [], 2001), 1).get("n1")?.pods.length, 0);
	});

	it("forgets a node that has been silent for its time, and no other", () => {
		let board = withReport(emptyServingBoard, report("n1", 1, [pod("a", true)]), 0);
		board = withReport(board, report("n2", 1, [pod("b", true)]), 8000);
		assert.equal(nextExpiryMs(board), 15_000);
		assert.equal(withoutSilent(board, 14_999), board);
		assert.deepEqual([...withoutSilent(board, 15_000).keys()], ["n2"]);
		assert.equal(nextExpiryMs(emptyServingBoard), undefined);
	});

	it("lets the node that was heard last speak for a pod that moved", () => {
		let board = withReport(emptyServingBoard, report("n1", 1, [pod("a", false)]), 0);
		board = withReport(board, report("n2", 1, [pod("a", true)]), 10);
		assert.equal(podReportOf(board, pod("a", true).proxyId)?.node, "n2");
	});
});
