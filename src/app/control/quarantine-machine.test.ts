import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPod, aVirtualService } from "../../model/model.testing.ts";
import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Change } from "../../snapshot/change.ts";
import {
	defaultQuarantineConfig,
	emptyQuarantine,
	type QuarantineEvent,
	type QuarantineState,
	type Refusal,
	stepQuarantine,
} from "./quarantine-machine.ts";

const rule = (name: string, version: string): AnyObject =>
	aVirtualService(name, { hosts: [name], http: [{ directResponse: { status: 200, body: { string: version } } }] });
const key = (name: string): ObjectKey => keyOf(rule(name, ""));
const refusal: Refusal = { proxy: "p", type: "RDS", names: ["80"], message: "no", atMs: 5 };

/** A mesh that holds what the machine lets in, as the control plane does. */
class Mesh {
	state: QuarantineState = emptyQuarantine;
	readonly objects = new Map<ObjectKey, AnyObject>();

	change(...changes: readonly Change[]): void {
		this.#take({ type: "changed", changes, inForce: this.objects, isTrial: true });
	}

	write(...objects: readonly AnyObject[]): void {
		this.change(...objects.map((object): Change => ({ type: "objectApplied", object })));
	}

	refuse(...names: readonly string[]): void {
		this.#take({ type: "refused", suspects: names.map(key), refusal, inForce: this.objects });
	}

	take(event: QuarantineEvent): void {
		this.#take(event);
	}

	/** `a1 b2`: rules and their versions. */
	get inForce(): string {
		const texts = [...this.objects.values()].map((object) => {
			const http = object.kind === "VirtualService" ? object.spec.http : undefined;
			const body = http?.[0]?.directResponse?.body;
			return object.metadata.name + (body && "string" in body ? body.string : "");
		});
		return texts.sort().join(" ");
	}

	get held(): string {
		return [...this.state.held].map(([name, { isProven }]) => name.split("/")[2] + (isProven ? "" : "?")).join(" ");
	}

	#take(event: QuarantineEvent): void {
		const { state, changes } = stepQuarantine(defaultQuarantineConfig, this.state, event);
		this.state = state;
		for (const change of changes) {
			if (change.type === "objectApplied") this.objects.set(keyOf(change.object), change.object);
			else this.objects.delete(change.key);
		}
	}
}

describe("the quarantine", () => {
	it("leaves a new resource out that was refused", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.refuse("a");
		assert.deepEqual([mesh.inForce, mesh.held], ["", "a"]);
	});

	it("goes back to the last version that was agreed to, not to one in between", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.take({ type: "agreed" });
		mesh.write(rule("a", "2"));
		mesh.write(rule("a", "3"));
		mesh.refuse("a");
		assert.equal(mesh.inForce, "a1");
	});

	it("keeps what was to be removed when the removal was refused", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.take({ type: "agreed" });
		mesh.change({ type: "objectRemoved", key: key("a") });
		assert.equal(mesh.inForce, "");
		mesh.refuse("a");
		assert.equal(mesh.inForce, "a1");
	});

	it("does not let the same text in again, and lets another in", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.refuse("a");
		mesh.write(rule("a", "1"));
		assert.equal(mesh.inForce, "");
		mesh.write(rule("a", "2"));
		assert.deepEqual([mesh.inForce, mesh.held], ["a2", ""]);
	});

	it("forgets what was held when it is removed", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.refuse("a");
		mesh.change({ type: "objectRemoved", key: key("a") });
		assert.deepEqual([mesh.inForce, mesh.held], ["", ""]);
	});

	it("finds the one among several by trying halves of them", () => {
		const mesh = new Mesh();
		const names = ["a", "b", "c", "d", "e"];
		mesh.write(...names.map((name) => rule(name, "1")));
		const bad = "d";
		let refusals = 0;
		for (let round = 0; round < 20; round++) {
			const suspects = [...mesh.state.suspects.keys()].map((one) => one.split("/")[2] ?? "");
			if (suspects.includes(bad)) {
				refusals++;
				mesh.refuse(...suspects);
				assert.ok(!mesh.inForce.includes(bad));
			}
			mesh.take({ type: "agreed" });
		}
		assert.deepEqual([mesh.inForce, mesh.held, refusals], ["a1 b1 c1 e1", "d", 3]);
	});

	it("holds nothing when there are too many suspects: the proxies have kept what they had", () => {
		const mesh = new Mesh();
		const names = Array.from({ length: 17 }, (_, index) => `n${index}`);
		mesh.write(...names.map((name) => rule(name, "x")));
		mesh.refuse(...names);
		assert.equal(mesh.held, "");
		assert.equal(mesh.objects.size, 17);
	});

	it("counts a second proxy's refusal, and the same one's only once", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.refuse("a");
		mesh.refuse("a");
		mesh.take({ type: "refused", suspects: [key("a")], refusal: { ...refusal, proxy: "q" }, inForce: new Map() });
		assert.deepEqual(
			mesh.state.held.get(key("a"))?.refusals.map(({ proxy }) => proxy),
			["p", "q"],
		);
	});

	it("takes back all that changed last when a proxy is no longer well, while that is watched", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"), rule("b", "1"));
		mesh.take({ type: "agreed" });
		mesh.take({ type: "watchEnded" });
		mesh.write(rule("a", "2"));
		mesh.take({ type: "agreed" });
		mesh.take({ type: "unwell", refusal });
		assert.deepEqual([mesh.inForce, mesh.held], ["a1 b1", "a"]);
		mesh.write(rule("b", "2"));
		mesh.take({ type: "agreed" });
		mesh.take({ type: "watchEnded" });
		mesh.take({ type: "unwell", refusal });
		assert.equal(mesh.inForce, "a1 b2");
	});

	it("lets in what the operator insists on, and does not hold it again", () => {
		const mesh = new Mesh();
		mesh.write(rule("a", "1"));
		mesh.refuse("a");
		mesh.take({ type: "released", keys: [key("a")] });
		assert.deepEqual([mesh.inForce, mesh.held, mesh.state.suspects.size], ["a1", "", 0]);
		mesh.refuse("a");
		assert.equal(mesh.inForce, "a1");
		mesh.write(rule("a", "2"));
		mesh.refuse("a");
		assert.deepEqual([mesh.inForce, mesh.held], ["a1", "a"]);
	});

	it("never holds a pod", () => {
		const mesh = new Mesh();
		mesh.write(aPod("web-1", "10.1.0.1"));
		assert.equal(mesh.state.suspects.size, 0);
	});

	it("suspects nothing of what was there at the start", () => {
		const changes: readonly Change[] = [{ type: "objectApplied", object: rule("a", "1") }];
		const { state } = stepQuarantine(defaultQuarantineConfig, emptyQuarantine, {
			type: "changed",
			changes,
			inForce: new Map(),
			isTrial: false,
		});
		assert.equal(state.suspects.size, 0);
	});
});
