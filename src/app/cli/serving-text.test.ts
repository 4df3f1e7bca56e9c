import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServingStep } from "../../hotswitch/serving-step.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import type { ServingItem } from "../api/api-types.ts";
import { mergeEvents } from "./events-command.ts";
import { countServing, longServing, mergeServing, shortServing } from "./serving-text.ts";

const item = (pod: string, step: ServingStep | undefined, rest: Partial<ServingItem> = {}): ServingItem => ({
	proxyId: `sidecar~10.1.0.1~${pod}`,
	namespace: "shop",
	pod,
	node: "n1",
	heardMsAgo: 100,
	ready: true,
	...(step && { serving: { step, sinceMs: 1_000, cause: "exited", because: "ended by SIGKILL" } }),
	...rest,
});

describe("where pods' connections go, in words", () => {
	it("is the age and the reason of what is not as it should be", () => {
		assert.equal(longServing(item("web-1", "direct"), 13_000), "direct for 12s: ended by SIGKILL");
		assert.equal(shortServing(item("web-1", "direct"), 13_000), "direct 12s");
		assert.equal(shortServing(item("web-1", "sidecar"), 13_000), "sidecar");
		assert.equal(shortServing(item("gw-1", undefined), 13_000), "-");
	});

	it("names who took the proxy off, why, and until when", () => {
		const bypass = { by: "anna", why: "upgrade", untilMs: Date.UTC(2030, 0, 1) };
		const one = item("web-1", "direct");
		const shown = longServing({ serving: one.serving && { ...one.serving, bypass } }, 13_000);
		assert.match(shown, /: ended by SIGKILL; bypassed by anna: upgrade, until 2030-01-01T00:00:00.000Z$/);
		const because = "bypass by anna: upgrade";
		const asked = longServing({ serving: one.serving && { ...one.serving, cause: "bypass", because, bypass } }, 13_000);
		assert.equal(asked, "direct for 12s: bypass by anna: upgrade, until 2030-01-01T00:00:00.000Z");
	});

	it("is counted by step, best first, and not at all without any hot-switch", () => {
		const items = [item("a", "closed"), item("b", "sidecar"), item("c", "sidecar"), item("d", undefined)];
		assert.equal(countServing(items), "2 by their sidecar, 1 not at all");
		assert.equal(countServing([item("d", undefined)]), undefined);
	});

	it("is of several control planes what was heard last", () => {
		const old = item("web-1", "direct", { heardMsAgo: 9_000 });
		const fresh = item("web-1", "sidecar", { heardMsAgo: 20 });
		assert.deepEqual(mergeServing([[old], [fresh], [item("a-1", "spare")]]), [item("a-1", "spare"), fresh]);
	});
});

describe("switches that several control planes know", () => {
	it("are listed once each, by time", () => {
		const event = (id: string, atMs: number) => ({ id, atMs }) as SwitchRecord;
		const merged = mergeEvents([[event("b", 2)], [event("c", 3), event("a", 1), event("b", 2)]]);
		assert.deepEqual(
			merged.map(({ id }) => id),
			["a", "b", "c"],
		);
	});
});
