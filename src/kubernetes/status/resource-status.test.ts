import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aFate, proxies } from "./fates.testing.ts";
import { readStatus } from "./read-status.ts";
import type { FateProblem, ResourceFate } from "./resource-fate.ts";
import { differsInCounts, type ResourceStatus, resourceStatusOf, wordsOf } from "./resource-status.ts";

const now = "2026-01-31T12:00:00Z";
const later = "2026-01-31T12:00:09Z";

const problem = (change: Partial<FateProblem> = {}): FateProblem => ({
	severity: "error",
	path: "spec.http[0].timeout",
	message: 'is not a duration, found "5"',
	hint: 'write "5s"',
	...change,
});

function statusOf(change: Partial<ResourceFate>, before: readonly ResourceStatus[] = [], at = now): ResourceStatus {
	return resourceStatusOf(aFate("reviews", change), before, at);
}

/** `Accepted=True Accepted | Applied=False Pending` */
function verdicts({ conditions }: ResourceStatus): string {
	return conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(" | ");
}

describe("the status of a resource", () => {
	it("says that it is accepted, and nothing of proxies where nobody counts them", () => {
		const status = statusOf({});
		assert.equal(verdicts(status), "Accepted=True Accepted");
		assert.equal(status.applied, undefined);
		assert.deepEqual([status.reason, status.message], ["", ""]);
	});

	it("says why it is refused, with the first error and how many more there are", () => {
		const status = statusOf({ accepted: false, problems: [problem(), problem({ path: "spec.hosts" })] });
		assert.equal(verdicts(status), "Accepted=False Invalid");
		assert.equal(status.reason, "Invalid");
		assert.equal(status.message, 'spec.http[0].timeout: is not a duration, found "5"; write "5s" (and 1 more)');
		assert.equal(status.problems.length, 2);
		assert.match(status.problems[0] ?? "", /^error: spec\.http\[0\]\.timeout: /);
	});

	it("says that it was taken back when proxies refused it", () => {
		const message = "was refused by web-1.shop (RDS): bad regex; the last good version stays in force";
		const rejected = [{ proxy: "web-1.shop", type: "RDS", message: "bad regex" }];
		const taken = { accepted: false, problems: [problem({ path: "", message, hint: "" })] };
		const status = statusOf({ ...taken, ...proxies(0, 1, { rejected }) });
		assert.equal(verdicts(status), "Accepted=False Rejected | Applied=False Rejected");
		assert.deepEqual([status.reason, status.message], ["Rejected", message]);
	});

	const cases: readonly (readonly [string, Pick<ResourceFate, "proxies">, string, string])[] = [
		["is applied when all proxies have it", proxies(4, 4), "Applied=True Applied", ""],
		["is pending while some have yet to confirm it", proxies(3, 4), "Applied=False Pending", "3 of 4 proxies have it"],
		["has no proxies when none is connected", proxies(0, 0), "Applied=Unknown NoProxies", ""],
		[
			"is withheld when it is held back",
			proxies(2, 4, { withheld: 2 }),
			"Applied=False Withheld",
			"held back from 2 of 4 proxies",
		],
		[
			"is rejected when a proxy refuses it, in the proxy's words",
			proxies(3, 4, { rejected: [{ proxy: "web-1.shop", type: "RDS", message: "bad regex" }] }),
			"Applied=False Rejected",
			"1 proxy refuses it: web-1.shop (RDS): bad regex",
		],
	];
	for (const [what, fate, verdict, message] of cases)
		it(what, () => {
			const status = statusOf(fate);
			assert.equal(verdicts(status), `Accepted=True Accepted | ${verdict}`);
			assert.equal(status.message, message);
			assert.equal(status.applied, `${fate.proxies?.applied} of ${fate.proxies?.concerned}`);
		});

	it("says of a kind that nobody reads yet that nothing follows from it", () => {
		const status = statusOf({ noEffect: "other clusters are not read" });
		assert.equal(verdicts(status), "Accepted=True Accepted | Applied=False NotYet");
		assert.deepEqual([status.reason, status.message], ["NotYet", "other clusters are not read"]);
		assert.equal(differsInCounts(status, statusOf({})), false);
	});

	it("names the analysis code of what is missing, although the resource is accepted", () => {
		const status = statusOf({ ...proxies(1, 1), problems: [problem({ code: "IST0101" })] });
		assert.equal(verdicts(status), "Accepted=True Accepted | Applied=True Applied");
		assert.equal(status.reason, "IST0101");
	});

	it("keeps the time of a condition that has not changed, and only that", () => {
		const before = statusOf(proxies(3, 4));
		const after = statusOf(proxies(4, 4), [before], later);
		assert.deepEqual(
			after.conditions.map(({ lastTransitionTime }) => lastTransitionTime),
			[now, later],
		);
	});

	it("stays small, whatever is wrong with the resource", () => {
		const problems = Array.from({ length: 500 }, () => problem({ message: "x".repeat(10_000) }));
		assert.ok(JSON.stringify(statusOf({ accepted: false, problems })).length < 16_000);
	});

	it("is read back as it was written", () => {
		const status = statusOf({ ...proxies(3, 4), problems: [problem({ severity: "warning" })] });
		const read = readStatus(JSON.parse(JSON.stringify(status)));
		assert.deepEqual(read, status);
	});

	it("is none of ours when others wrote it", () => {
		assert.equal(readStatus(undefined), undefined);
		const ofIstio = { conditions: [{ type: "Reconciled", status: "True" }], observedGeneration: "3" };
		assert.equal(readStatus(ofIstio), undefined);
	});

	it("is the same whenever it was written", () => {
		const words = wordsOf(statusOf(proxies(3, 4)));
		assert.equal(wordsOf(statusOf(proxies(3, 4), [], later)), words);
		assert.notEqual(wordsOf(statusOf(proxies(2, 4))), words);
		assert.notEqual(wordsOf(statusOf({ ...proxies(3, 4), generation: 2 })), words);
	});
});

describe("a change of status is one of counts alone", () => {
	const cases: readonly (readonly [string, Partial<ResourceFate>, Partial<ResourceFate>, boolean])[] = [
		["when more proxies have it", proxies(3, 3), proxies(4, 4), true],
		["when a proxy that has just come has yet to confirm it", proxies(3, 3), proxies(3, 4), true],
		["when the last proxy went", proxies(1, 1), proxies(0, 0), true],
		["when another proxy refuses it as well", rejectedBy(1), rejectedBy(2), true],
		["not when the rest of the proxies have it now", proxies(3, 4), proxies(4, 4), false],
		["not when a proxy refuses it", proxies(4, 4), rejectedBy(1), false],
		["not when it is refused no longer", rejectedBy(1), proxies(4, 4), false],
		["not when it is another version", proxies(4, 4), { ...proxies(4, 4), generation: 2 }, false],
		["not when it is not accepted any more", proxies(4, 4), { ...proxies(4, 4), accepted: false }, false],
		["not of what has no counts", {}, { problems: [problem({ severity: "warning" })] }, false],
	];
	for (const [what, before, after, expected] of cases)
		it(what, () => assert.equal(differsInCounts(statusOf(before), statusOf(after)), expected));
});

function rejectedBy(count: number): Pick<ResourceFate, "proxies"> {
	const rejected = Array.from({ length: count }, (_, index) => ({ proxy: `p${index}`, type: "RDS", message: "no" }));
	return proxies(4 - count, 4, { rejected });
}
