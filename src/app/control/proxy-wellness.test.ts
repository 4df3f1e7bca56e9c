import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodReport } from "../../hotswitch/serving-report.ts";
import { defaultWellnessConfig, stepWellness, type Wellness } from "./proxy-wellness.ts";

const pod = (fields: Partial<PodReport> = {}): PodReport => ({
	proxyId: "sidecar~1",
	namespace: "shop",
	name: "web-1",
	serviceAccount: "web",
	ready: true,
	...fields,
});
const counts = (total: number, serverErrors: number, atMs: number) => ({ total, serverErrors, atMs });
const serving = (step: "sidecar" | "direct", cause: string) => ({ step, cause, because: `it ${cause}`, sinceMs: 0 });

/** The reasons that the reports give, one after another. */
function reasons(...reports: readonly PodReport[]): readonly string[] {
	let wellness: Wellness = new Map();
	return reports.flatMap((report) => {
		const stepped = stepWellness(defaultWellnessConfig, wellness, [report]);
		wellness = stepped.wellness;
		return stepped.unwell.map(({ because }) => because);
	});
}

describe("a proxy is unwell", () => {
	it("when it is no longer ready, and not when it never was", () => {
		assert.deepEqual(reasons(pod(), pod({ ready: false })), ["web-1.shop: its proxy is not ready any more"]);
		assert.deepEqual(reasons(pod({ ready: false }), pod({ ready: false })), []);
	});

	it("when connections no longer go to it by a fault, and not because somebody wants that", () => {
		const before = pod({ serving: serving("sidecar", "proved") });
		assert.deepEqual(reasons(before, pod({ serving: serving("direct", "exited") })), ["web-1.shop: it exited"]);
		assert.deepEqual(reasons(before, pod({ serving: serving("direct", "bypass") })), []);
	});

	it("when many more requests fail than before", () => {
		const told = reasons(
			pod({ requests: counts(100, 1, 1) }),
			pod({ requests: counts(200, 2, 2) }),
			pod({ requests: counts(300, 42, 3) }),
			pod({ requests: counts(400, 82, 4) }),
		);
		assert.deepEqual(told, ["web-1.shop: 40 % of its requests fail, 1 % did before"]);
	});

	it("when calls of its application fail", () => {
		const told = reasons(
			pod({ calls: counts(0, 0, 1) }),
			pod({ calls: counts(50, 0, 2) }),
			pod({ calls: counts(100, 50, 3) }),
		);
		assert.deepEqual(told, ["web-1.shop: 100 % of its calls fail, 0 % did before"]);
	});

	it("not by a few requests, nor by a number that began anew", () => {
		const few = [counts(100, 0, 1), counts(200, 0, 2), counts(210, 10, 3)];
		assert.deepEqual(reasons(...few.map((requests) => pod({ requests }))), []);
		const anew = [counts(100, 0, 1), counts(200, 0, 2), counts(50, 40, 3)];
		assert.deepEqual(reasons(...anew.map((requests) => pod({ requests }))), []);
	});
});
