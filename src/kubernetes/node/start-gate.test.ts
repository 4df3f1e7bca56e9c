import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { StartGate } from "./start-gate.ts";

function newGate() {
	const clock = new VirtualClock();
	const ready = Promise.withResolvers<void>();
	let ended = 0;
	const gate = new StartGate({ clock, ready: () => ready.promise, endProxy: () => ended++ });
	return { clock, gate, ready: () => ready.resolve(), ended: () => ended };
}

const never = new AbortController().signal;

describe("the start of an application", () => {
	it("is permitted when Envoy is ready, and from then on at once, also while Envoy starts again", async () => {
		const { gate, ready } = newGate();
		const asked = gate.ask(never);
		ready();
		assert.deepEqual(await asked, { ok: true });
		assert.deepEqual(await gate.ask(never), { ok: true });
	});

	it("is refused at once when the pod is told to end, for kubelet waits for the answer before it ends it", async () => {
		const { gate } = newGate();
		const asked = gate.ask(never);
		gate.leave();
		const leaving = { ok: false, because: "the pod is being deleted", isFinal: true };
		assert.deepEqual(await asked, leaving);
		assert.deepEqual(await gate.ask(never), leaving);
	});

	it("is answered with `not yet` before who asks gives up", async () => {
		const { clock, gate } = newGate();
		const asked = gate.ask(never);
		clock.advance(25_000);
		assert.deepEqual(await asked, { ok: false, because: "Envoy is not ready yet", isFinal: false });
	});

	it("is not left to a kubelet that has lost its hook: the proxy ends, to be started with another one", async () => {
		const { ended, gate, ready } = newGate();
		const hook = new AbortController();
		const asked = gate.ask(hook.signal);
		hook.abort();
		assert.equal((await asked).ok, false);
		assert.equal(ended(), 1);
		const next = gate.ask(never);
		ready();
		assert.deepEqual([await next, ended()], [{ ok: true }, 1]);
	});
});
