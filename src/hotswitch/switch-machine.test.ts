import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultHotSwitchPolicy, type HotSwitchPolicy, hangAfterLeaseMs } from "./hot-switch-policy.ts";
import { closedPath } from "./path-state.ts";
import { step } from "./switch-machine.ts";
import { newSwitch, type SwitchAction, type SwitchEvent, type SwitchState, type SwitchTimer } from "./switch-state.ts";

const plaintext: HotSwitchPolicy = { ...defaultHotSwitchPolicy, permitsPlaintext: true };
const strict: HotSwitchPolicy = { ...defaultHotSwitchPolicy, permitsPlaintext: false };

type Happening = SwitchEvent extends infer Event ? (Event extends SwitchEvent ? Omit<Event, "atMs"> : never) : never;

/** Drives the machine with a clock of its own: timers that the machine sets fire when the time has come. */
class Driver {
	atMs = 0;
	state: SwitchState = newSwitch;
	actions: SwitchAction[] = [];
	policy: HotSwitchPolicy;
	readonly timers = new Map<SwitchTimer, number>();

	constructor(policy: HotSwitchPolicy) {
		this.policy = policy;
	}

	happens(...events: readonly Happening[]): this {
		for (const event of events) {
			const { state, actions } = step(this.policy, this.state, { ...event, atMs: this.atMs } as SwitchEvent);
			this.state = state;
			this.actions.push(...actions);
			for (const action of actions) {
				if (action.type === "setTimer") this.timers.set(action.timer, this.atMs + action.afterMs);
				if (action.type === "clearTimer") this.timers.delete(action.timer);
			}
		}
		return this;
	}

	wait(ms: number): this {
		const endMs = this.atMs + ms;
		for (;;) {
			const [next] = [...this.timers].sort((a, b) => a[1] - b[1]);
			if (!next || next[1] > endMs) break;
			this.timers.delete(next[0]);
			this.atMs = next[1];
			this.happens({ type: "timerFired", timer: next[0] });
		}
		this.atMs = endMs;
		return this;
	}

	/** What was asked for since the last call, timers left out. */
	asked(): readonly string[] {
		const texts = this.actions.flatMap((action) => {
			if (action.type === "setPath") return [`path ${textOf(action.path)}`];
			if (action.type === "report") return [`${action.from} -> ${action.to}: ${action.cause}`];
			return action.type === "setTimer" || action.type === "clearTimer" ? [] : [action.type];
		});
		this.actions = [];
		return texts;
	}
}

const textOf = (path: SwitchState["path"]): string =>
	(["sidecar", "spare", "direct", "patient"] as const).filter((way) => path[way]).join("+") || "closed";

const serving = (policy: HotSwitchPolicy, ...before: readonly Happening[]): Driver => {
	const driver = new Driver(policy).happens(...before, started, ready, heard);
	driver.asked();
	return driver;
};

const started: Happening = { type: "processStarted" };
const ready: Happening = { type: "ready" };
const heard: Happening = { type: "leaseSeen" };
const silent: Happening = { type: "leaseLost" };
const spareUp: Happening = { type: "spareUp" };
const spareDown: Happening = { type: "spareDown", because: "it ended" };
const crash: Happening = { type: "processExited", because: "ended by SIGKILL" };
const unready: Happening = { type: "unready", because: "a listener is missing" };
const bypass = (forMs?: number): Happening => ({
	type: "bypassRequested",
	by: "ann",
	why: "upgrade",
	...(forMs === undefined ? {} : { forMs }),
});

describe("the first start", () => {
	it("is closed until the sidecar is ready, and then open at once", () => {
		const driver = new Driver(plaintext).happens(spareUp, started);
		assert.deepEqual(driver.asked(), []);
		assert.deepEqual(driver.happens(ready).asked(), ["path sidecar+spare+direct", "closed -> sidecar: ready"]);
	});

	it("stays closed when the first sidecar dies before it is ready", () => {
		const driver = new Driver(plaintext).happens(started, crash);
		assert.deepEqual(driver.asked(), []);
		assert.equal(driver.state.servingStep, "closed");
	});

	it("leaves what an adopted sidecar has", () => {
		const driver = new Driver(strict).happens({ type: "adopted" }, ready, heard).wait(1000);
		assert.deepEqual(driver.asked(), ["path sidecar", "closed -> sidecar: adopted"]);
	});
});

describe("a crash", () => {
	for (const [name, policy, before, path, to] of [
		["to the spare first", plaintext, [spareUp], "spare+direct", "spare"],
		["past the proxies without a spare", plaintext, [], "direct", "direct"],
		["to the spare under STRICT", strict, [spareUp], "spare", "spare"],
		["to closed under STRICT without a spare", strict, [], "closed", "closed"],
		["past under STRICT with failOpen always", { ...strict, failOpen: "always" }, [], "direct", "direct"],
		["to closed with failOpen never", { ...plaintext, failOpen: "never" }, [], "closed", "closed"],
		[
			"to closed where no step is allowed",
			{ ...plaintext, direct: false, spare: false },
			[spareUp],
			"closed",
			"closed",
		],
	] as const satisfies readonly (readonly [string, HotSwitchPolicy, readonly Happening[], string, string])[])
		it(`leads ${name}, before flows are forgotten`, () => {
			const driver = serving(policy, ...before).happens(crash);
			assert.deepEqual(driver.asked(), [`path ${path}`, "forgetFlows", `sidecar -> ${to}: exited`]);
		});

	it("is over when the new sidecar has been good for proveMs", () => {
		const driver = serving(plaintext).happens(crash).wait(100).happens(started, ready, heard);
		driver.asked();
		driver.wait(plaintext.proveMs - 1);
		assert.deepEqual(driver.asked(), []);
		driver.wait(1);
		assert.deepEqual(driver.asked(), ["path sidecar+direct", "direct -> sidecar: proved"]);
	});

	it("is over at once where all else is closed", () => {
		const driver = serving(strict).happens(crash, started, ready);
		assert.deepEqual(driver.asked().slice(-2), ["path sidecar", "closed -> sidecar: proved"]);
	});

	it("makes the proof begin anew when it is interrupted", () => {
		const driver = serving(plaintext).happens(crash, started, ready, heard).wait(400).happens(unready).wait(50);
		driver.happens(ready).wait(400);
		assert.equal(driver.state.servingStep, "direct");
		driver.wait(100);
		assert.equal(driver.state.servingStep, "sidecar");
	});

	it("is followed by a proof twice as long each time once the sidecar flaps, up to the longest", () => {
		const driver = serving({ ...plaintext, proveMaxMs: 3000 });
		const provedAfterMs = [1, 2, 3, 4, 5, 6].map(() => {
			driver.happens(crash, started, ready, heard);
			const beganMs = driver.atMs;
			while (driver.state.servingStep !== "sidecar") driver.wait(100);
			return driver.atMs - beganMs;
		});
		assert.deepEqual(provedAfterMs, [500, 500, 1000, 2000, 3000, 3000]);
	});

	it("is forgotten after the window", () => {
		const driver = serving(plaintext);
		for (const _ of [1, 2, 3]) driver.happens(crash, started, ready, heard).wait(5000);
		driver.wait(plaintext.flapWindowMs).happens(crash, started, ready, heard).wait(500);
		assert.equal(driver.state.servingStep, "sidecar");
	});
});

describe("a lease that runs out", () => {
	it("changes nothing but the step when it comes back in time: the kernel has done it all", () => {
		const driver = serving(plaintext)
			.happens(silent)
			.wait(hangAfterLeaseMs(plaintext) - 1)
			.happens(heard)
			.wait(1000);
		assert.deepEqual(driver.asked(), ["sidecar -> direct: silent", "direct -> sidecar: heardAgain"]);
	});

	it("is a hang after hangMs without a sign of life: off the path, killed, and forgotten once it has ended", () => {
		const driver = serving(plaintext, spareUp).happens(silent).wait(hangAfterLeaseMs(plaintext));
		assert.deepEqual(driver.asked(), ["sidecar -> spare: silent", "path spare+direct", "killProcess"]);
		assert.deepEqual(driver.happens(crash).asked(), ["forgetFlows"]);
	});

	it("is told as what it was where the process had ended, though its silence was noticed first", () => {
		const driver = serving(plaintext).happens(silent).wait(10).happens(crash);
		const { cause, because, sinceMs } = driver.state;
		assert.deepEqual([cause, because, sinceMs], ["exited", "ended by SIGKILL", driver.atMs - 10]);
	});

	it("stays a hang when the process ends because of that", () => {
		const driver = serving(plaintext).happens(silent).wait(hangAfterLeaseMs(plaintext)).happens(crash);
		assert.equal(driver.state.cause, "silent");
	});

	it("kills again as long as the process does not end", () => {
		const driver = serving(strict)
			.happens(silent)
			.wait(3 * hangAfterLeaseMs(strict));
		assert.equal(driver.asked().filter((text) => text === "killProcess").length, 3);
	});

	it("is no hang while it only waits for a processor, and is one as soon as it does not", () => {
		const driver = serving(plaintext).happens(silent);
		for (let look = 0; look < 5; look++) driver.wait(hangAfterLeaseMs(plaintext) - 1).happens({ type: "starved" });
		assert.ok(!driver.asked().includes("killProcess"));
		assert.ok(driver.wait(hangAfterLeaseMs(plaintext)).asked().includes("killProcess"));
	});

	it("is no failure of a sidecar that got no processor: however often, it does not flap", () => {
		const driver = serving(plaintext, spareUp);
		for (let time = 0; time < 10; time++) driver.happens(silent).wait(20).happens({ type: "leaseSeen", starved: true });
		assert.equal(driver.state.servingStep, "sidecar");
		assert.deepEqual(driver.state.failuresAtMs, []);
	});

	it("is no hang before the sidecar was ready: its first configuration may keep it busy", () => {
		const driver = new Driver(plaintext).happens(started, heard, silent).wait(10 * plaintext.hangMs);
		assert.deepEqual(driver.asked(), []);
	});

	it("again and again means flapping: elsewhere until it has proved itself", () => {
		const driver = serving(plaintext);
		for (const _ of [1, 2, 3]) driver.happens(silent).wait(10).happens(heard).wait(10);
		driver.asked();
		driver.happens(silent).wait(10).happens(heard);
		assert.deepEqual(driver.asked(), ["path direct", "sidecar -> direct: flapping"]);
		driver.wait(plaintext.proveMaxMs);
		assert.equal(driver.state.servingStep, "sidecar");
	});

	it("again and again leaves the sidecar in its place where all else is closed", () => {
		const driver = serving(strict);
		for (const _ of [1, 2, 3, 4, 5]) driver.happens(silent).wait(10).happens(heard).wait(10);
		assert.equal(driver.state.servingStep, "sidecar");
		assert.equal(driver.state.path.sidecar, true);
	});
});

describe("what an earlier agent has left", () => {
	const direct = { ...closedPath, direct: true };
	const sidecar = { ...closedPath, sidecar: true, direct: true };

	it("is not touched while the sidecar serves, and no switch is told", () => {
		const kept = { ...serving(plaintext).state, sinceMs: -5000 };
		const driver = new Driver(plaintext).happens({ type: "adopted", path: sidecar, kept }, ready, heard).wait(1000);
		assert.deepEqual(driver.asked(), []);
		assert.deepEqual([driver.state.servingStep, driver.state.sinceMs], ["sidecar", -5000]);
	});

	it("goes on past a sidecar that has ended meanwhile, until another has proved itself", () => {
		const driver = new Driver(plaintext).happens({ type: "adopted", isRunning: false, path: sidecar });
		assert.deepEqual(driver.asked(), ["path direct", "closed -> direct: adopted"]);
		driver.happens(started, ready, heard).wait(500);
		assert.deepEqual(driver.asked(), ["path sidecar+direct", "direct -> sidecar: proved"]);
	});

	it("leaves a sidecar off that had not proved itself again", () => {
		const driver = new Driver(plaintext).happens({ type: "adopted", path: direct }, heard).wait(1000);
		assert.equal(driver.state.servingStep, "direct");
		driver.happens(ready).wait(500);
		assert.equal(driver.state.servingStep, "sidecar");
	});

	it("is a bypass until its end, which may be over", () => {
		const bypassed = serving(plaintext).happens(bypass(600_000)).state;
		const driver = new Driver(plaintext);
		driver.atMs = 1000;
		driver.happens({ type: "adopted", path: direct, kept: bypassed }, ready, heard).wait(598_999);
		assert.deepEqual(driver.asked(), []);
		driver.wait(1);
		assert.deepEqual(driver.asked(), ["path sidecar+direct", "direct -> sidecar: bypassOver"]);
		const late = new Driver(plaintext);
		late.atMs = 700_000;
		late.happens({ type: "adopted", path: direct, kept: bypassed }, ready, heard);
		assert.equal(late.state.bypass, undefined);
	});

	it("is not past the proxies where the policy forbids that now", () => {
		const driver = new Driver(strict).happens({ type: "adopted", isRunning: false, path: direct });
		assert.deepEqual(driver.asked(), ["path closed"]);
	});
});

describe("an agent that leaves", () => {
	const leaves: Happening = { type: "agentLeaves" };
	const left = (policy: HotSwitchPolicy, ...before: readonly Happening[]): SwitchState =>
		serving(policy, ...before).happens(leaves).state;

	it("has the kernel bear with a late sidecar, as nobody can tell it from one that hangs", () => {
		const driver = serving(plaintext, spareUp).happens(leaves, spareDown);
		assert.deepEqual(driver.asked(), ["path sidecar+spare+direct+patient", "path sidecar+direct+patient"]);
		driver.happens(silent);
		assert.equal(driver.state.servingStep, "sidecar");
	});

	it("leaves that to the next one, which lifts it with its spare", () => {
		const driver = new Driver(plaintext).happens({ type: "adopted", ...left(plaintext) }, ready, heard);
		assert.deepEqual(driver.asked(), ["closed -> sidecar: adopted"]);
		assert.deepEqual(driver.happens(spareUp).asked(), ["path sidecar+spare+direct"]);
	});

	it("or, without a spare, once it has settled", () => {
		const driver = new Driver(plaintext).happens({ type: "adopted", ...left(plaintext) }, ready, heard).wait(4_999);
		assert.equal(driver.state.path.patient, true);
		assert.equal(driver.wait(1).state.path.patient, false);
	});

	it("does not keep the next one from taking a sidecar off that hangs", () => {
		const driver = new Driver(plaintext).happens({ type: "adopted", ...left(plaintext) }, ready, heard);
		driver.asked();
		driver.happens(silent).wait(hangAfterLeaseMs(plaintext));
		assert.deepEqual(driver.asked(), ["path direct+patient", "killProcess", "sidecar -> direct: hung"]);
	});
});

describe("the last resort", () => {
	it("is a silent sidecar, until it hangs, where nothing else may serve", () => {
		const driver = serving(strict).happens(silent);
		assert.equal(driver.state.servingStep, "sidecar");
		driver.wait(hangAfterLeaseMs(strict));
		assert.deepEqual(driver.asked(), ["path closed", "killProcess", "sidecar -> closed: hung"]);
	});

	it("is not taken where something else serves", () => {
		assert.equal(serving(strict, spareUp).happens(silent).state.servingStep, "spare");
	});
});

describe("a sidecar that does not become ready", () => {
	it("says what holds it back", () => {
		const driver = new Driver(plaintext).happens(started, {
			type: "startHeld",
			because: "listener x: no such cluster",
		});
		assert.deepEqual([driver.state.servingStep, driver.state.because], ["closed", "listener x: no such cluster"]);
	});
});

describe("a sidecar that is not ready", () => {
	it("gives its connections to what can serve, and gets them back by a proof", () => {
		const driver = serving(strict, spareUp).happens(unready);
		assert.deepEqual(driver.asked(), ["path spare", "sidecar -> spare: unready"]);
		driver.happens(ready).wait(strict.proveMs);
		assert.deepEqual(driver.asked(), ["path sidecar+spare", "spare -> sidecar: proved"]);
	});

	it("keeps them when nothing else can, until a spare comes", () => {
		const driver = serving(strict).happens(unready);
		assert.equal(driver.state.servingStep, "sidecar");
		driver.happens(spareUp);
		assert.deepEqual(driver.asked(), ["path spare", "sidecar -> spare: spareUp"]);
	});
});

describe("direct", () => {
	it("ends after its limit, and is possible again when something better has served", () => {
		const driver = serving({ ...plaintext, directLimitMs: 2000 })
			.happens(crash)
			.wait(1999);
		assert.equal(driver.state.servingStep, "direct");
		driver.wait(1);
		assert.equal(driver.state.servingStep, "closed");
		driver.happens(started, ready, heard);
		assert.equal(textOf(driver.state.path), "sidecar+direct");
	});

	it("has its whole limit when a bypass is over: that had an end of its own", () => {
		const driver = serving({ ...plaintext, directLimitMs: 2000 })
			.happens(bypass(10_000), crash)
			.wait(11_999);
		assert.equal(driver.state.servingStep, "direct");
		driver.wait(1);
		assert.equal(driver.state.servingStep, "closed");
	});

	it("ends at once when the policy becomes STRICT", () => {
		const driver = serving(plaintext).happens(crash);
		driver.policy = strict;
		driver.asked();
		assert.deepEqual(driver.happens({ type: "policyChanged" }).asked(), ["path closed", "direct -> closed: policy"]);
	});

	it("takes over from a spare that ends", () => {
		const driver = serving(plaintext, spareUp).happens(crash, spareDown);
		assert.equal(driver.state.servingStep, "direct");
	});
});

describe("a bypass", () => {
	it("keeps a good sidecar off until it is restored, and says who and why", () => {
		const driver = serving(plaintext, spareUp).happens(bypass()).wait(3_600_000);
		assert.deepEqual(driver.asked(), ["path spare+direct", "sidecar -> spare: bypass"]);
		assert.deepEqual(driver.state.bypass, { by: "ann", why: "upgrade", atMs: 0 });
		assert.deepEqual(driver.happens({ type: "restoreRequested", by: "bob" }).asked(), [
			"path sidecar+spare+direct",
			"spare -> sidecar: restored",
		]);
	});

	it("ends by itself after its time", () => {
		const driver = serving(plaintext).happens(bypass(600_000)).wait(599_999);
		assert.equal(driver.state.servingStep, "direct");
		driver.wait(1);
		assert.equal(driver.state.servingStep, "sidecar");
		assert.equal(driver.state.cause, "bypassOver");
	});

	it("is refused where nothing else could serve", () => {
		const driver = serving(strict).happens(bypass());
		assert.deepEqual(driver.asked(), ["refuseBypass"]);
		assert.equal(driver.state.bypass, undefined);
	});

	it("gives way to the sidecar when its spare ends and plaintext is forbidden", () => {
		const driver = serving(strict, spareUp).happens(bypass(), spareDown);
		assert.equal(driver.state.servingStep, "sidecar");
	});

	it("does not give connections to a sidecar that came up during it until it has proved itself", () => {
		const driver = serving(plaintext).happens(bypass(), crash, started, ready, heard).wait(100);
		driver.happens({ type: "restoreRequested", by: "bob" });
		assert.equal(driver.state.servingStep, "direct");
		driver.wait(400);
		assert.equal(driver.state.servingStep, "sidecar");
	});

	it("works also where the hot-switch is off", () => {
		const driver = serving({ ...plaintext, enabled: false }).happens(bypass());
		assert.equal(driver.state.servingStep, "direct");
	});
});

it("does nothing about failures where it is off", () => {
	const driver = serving({ ...plaintext, enabled: false }, spareUp)
		.happens(silent)
		.wait(1000)
		.happens(crash);
	assert.deepEqual(driver.asked(), ["sidecar -> closed: hung", "forgetFlows"]);
	assert.equal(textOf(driver.state.path), "sidecar");
});

it("keeps its promises whatever happens in whatever order", () => {
	let seed = 7;
	const random = (below: number): number => {
		seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((seed / 2 ** 32) * below);
	};
	const happenings: readonly Happening[] = [started, ready, ready, heard, heard, silent, unready, crash];
	const others: readonly Happening[] = [
		spareUp,
		spareDown,
		bypass(),
		bypass(700),
		{ type: "restoreRequested", by: "b" },
	];
	const seen = new Set<string>();
	for (let walk = 0; walk < 300; walk++) {
		const driver = new Driver(strict);
		for (let turn = 0; turn < 200; turn++) {
			const policy: HotSwitchPolicy = {
				...(random(2) ? strict : plaintext),
				enabled: random(8) > 0,
				failOpen: (["never", "permissive", "always"] as const)[random(3)] ?? "never",
				...(random(2) ? { directLimitMs: 300 } : {}),
			};
			const kind = random(20);
			if (kind === 0) {
				driver.policy = policy;
				driver.happens({ type: "policyChanged" });
			} else if (kind < 4) driver.wait(random(800));
			else if (kind < 8) driver.happens(others[random(others.length)] ?? heard);
			else driver.happens(happenings[random(happenings.length)] ?? heard);
			hold(driver);
			seen.add(driver.state.servingStep + (driver.state.bypass ? " by bypass" : ""));
		}
	}
	assert.deepEqual([...seen].sort(), [
		"closed",
		"closed by bypass",
		"direct",
		"direct by bypass",
		"sidecar",
		"sidecar by bypass",
		"spare",
		"spare by bypass",
	]);
});

function hold({ policy, state, timers, atMs }: Driver): void {
	const { path } = state;
	const mayPlaintext = policy.failOpen === "always" || (policy.failOpen === "permissive" && policy.permitsPlaintext);
	assert.ok(!path.direct || mayPlaintext, "plaintext only where it is permitted");
	assert.ok(!state.proved || textOf(path) !== "closed", "never all closed while the sidecar is proved");
	assert.ok(!state.bypass || !path.sidecar || !(path.spare || path.direct), "a bypass wins where anything else serves");
	assert.ok(!state.proved || state.running, "only what runs is proved");
	assert.ok(state.servingStep !== "spare" || state.spareUp, "the spare serves only while it listens");
	for (const [timer, deadline] of Object.entries(state.deadlines))
		assert.equal(timers.get(timer as SwitchTimer), Math.max(deadline, atMs), `${timer} is set`);
	for (const deadline of timers.values()) assert.ok(deadline >= atMs, "no timer is overdue");
}
