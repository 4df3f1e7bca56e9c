// Two control planes over one authority's directory, with the real files and a clock that is moved by hand.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Authority, openAuthority } from "../../identity/authority/authority.ts";
import { type Heartbeat, RotationStore } from "../../identity/authority/rotation-store.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { RotationDriver } from "./rotation-driver.ts";

interface Replica {
	readonly authority: Authority;
	readonly driver: RotationDriver;
	/** Proxies that confirm at once. */
	proxies: string[];
	stubborn: string[];
	close(): void;
}

describe("the replicas of a control plane", () => {
	let directory = "";
	let clock = new VirtualClock(Date.now());
	let replicas: Replica[] = [];
	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-rotation-"));
		clock = new VirtualClock(Date.now());
		replicas = [];
	});
	afterEach(() => {
		for (const replica of replicas) replica.close();
		rmSync(directory, { recursive: true });
	});

	function start(name: string, proxies: string[], store = new RotationStore(directory)): Replica {
		const authority = openAuthority({ directory, trustDomain: "cluster.local", wallMs: () => clock.wallMs() });
		const driver = new RotationDriver(
			{ replica: name, rotation: { settleMs: 2_000 } },
			{
				authority,
				store,
				clock,
				log: silentLog,
				connected: (version) => [
					...replica.proxies.map((proxy) => ({ proxy, acknowledged: version })),
					...replica.stubborn.map((proxy) => ({ proxy })),
				],
				expected: () => [...replica.proxies, ...replica.stubborn],
				onBundle: () => {},
			},
		);
		const cancelFollow = follow(authority);
		const replica: Replica = {
			authority,
			driver,
			proxies,
			stubborn: [],
			close: () => {
				cancelFollow();
				driver.close();
			},
		};
		driver.start();
		replicas.push(replica);
		return replica;
	}

	/** As the real one, which polls on the real clock. */
	function follow(authority: Authority): () => void {
		let cancel = clock.after(1_000, poll);
		function poll(): void {
			authority.refresh();
			cancel = clock.after(1_000, poll);
		}
		return () => cancel();
	}

	const rootsOf = ({ authority }: Replica): readonly string[] =>
		authority.roots().map(({ fingerprint }) => fingerprint);
	const stageOf = ({ driver }: Replica): string => {
		const state = driver.state();
		return state.phase === "running" ? state.stage : (state.last?.outcome ?? "idle");
	};

	it("replace the root while all proxies of both confirm, and all end with the new one alone", async () => {
		const one = start("c1", ["a.default"]);
		const two = start("c2", ["b.default"]);
		const [old] = rootsOf(one);
		assert.ok((await one.driver.request("root")).ok);
		const seen = new Set<string>();
		for (let step = 0; step < 200 && stageOf(one) !== "done"; step++) {
			clock.advance(100);
			seen.add(`${stageOf(one)} ${rootsOf(one).length}`);
		}
		clock.advance(2_000);
		assert.deepEqual([stageOf(one), stageOf(two)], ["done", "done"]);
		assert.ok(seen.has("trust-both 2") && seen.has("sign-with-new 2") && seen.has("drop-old 1"), [...seen].join());
		assert.equal(rootsOf(one).length, 1);
		assert.notEqual(rootsOf(one)[0], old);
		assert.deepEqual(rootsOf(two), rootsOf(one));
		assert.equal(one.driver.bundle.version, two.driver.bundle.version);
	});

	it("wait for a proxy at the other replica, and go on when the replica that began has died", async () => {
		const one = start("c1", ["a.default"]);
		const two = start("c2", ["b.default"]);
		two.stubborn = ["c.default"];
		await one.driver.request("root");
		clock.advance(60_000);
		assert.equal(stageOf(two), "trust-both");
		one.close();
		two.stubborn = [];
		clock.advance(60_000);
		assert.equal(stageOf(two), "done");
	});

	it("wait for a replica that fell silent until an operator says that it is gone", async () => {
		const one = start("c1", ["a.default"]);
		new RotationStore(directory).writeHeartbeat({
			replica: "c9",
			beat: "1",
			bundleVersion: one.driver.bundle.version,
			connected: [],
			expected: [],
		});
		await one.driver.request("issuer");
		clock.advance(60_000);
		const state = one.driver.state();
		assert.deepEqual(state.phase === "running" && state.blockers, [{ type: "replicaSilent", replica: "c9" }]);
		assert.ok(one.driver.forgetReplica("c9"));
		assert.equal(one.driver.forgetReplica("../../etc/passwd"), false);
		clock.advance(60_000);
		assert.equal(stageOf(one), "done");
	});

	it("sit out a lock that another holds, and take it over when its holder has died", async () => {
		const one = start("c1", ["a.default"]);
		await one.driver.request("root");
		new RotationStore(directory).withLock(() => {
			clock.advance(30_000);
			assert.equal(stageOf(one), "add");
		});
		const path = join(directory, "rotation.lock");
		writeFileSync(path, "1\n");
		clock.advance(5_000);
		assert.equal(stageOf(one), "add");
		utimesSync(path, 0, 0);
		clock.advance(1_000);
		assert.equal(stageOf(one), "trust-both");
	});

	it("do nothing at all when the state cannot be read", async () => {
		const one = start("c1", ["a.default"]);
		await one.driver.request("root");
		clock.advance(1_000);
		writeFileSync(join(directory, "rotation.json"), "{half");
		const before = rootsOf(one);
		clock.advance(60_000);
		assert.deepEqual(rootsOf(one), before);
		assert.match(one.driver.problem() ?? "", /rotation\.json is no state of a rotation/);
		const asked = await one.driver.request("issuer");
		assert.match(asked.ok ? "" : asked.because, /rotation\.json is no state of a rotation/);
		const late = start("c2", []);
		assert.match(late.driver.problem() ?? "", /rotation\.json/);
		rmSync(join(directory, "rotation.json"));
		clock.advance(5_000);
		assert.deepEqual([one.driver.problem(), late.driver.problem()], [undefined, undefined]);
	});

	it("say at every look that the directory cannot be written, and go on when it can", async () => {
		let isFull = true;
		class FullStore extends RotationStore {
			override writeHeartbeat(heartbeat: Heartbeat): void {
				if (isFull) throw new Error("ENOSPC: no space left on device");
				super.writeHeartbeat(heartbeat);
			}
		}
		const one = start("c1", ["a.default"], new FullStore(directory));
		for (let look = 0; look < 12; look++) {
			clock.advance(1_000);
			assert.match(one.driver.problem() ?? "", /no space left/);
		}
		isFull = false;
		clock.advance(1_000);
		assert.equal(one.driver.problem(), undefined);
		// No file at all can be made where there is no directory.
		renameSync(directory, `${directory}-away`);
		const asked = await one.driver.request("issuer");
		rmSync(directory, { recursive: true, force: true });
		renameSync(`${directory}-away`, directory);
		assert.match(asked.ok ? "" : asked.because, /E[A-Z]+|damaged|no such/);
		assert.ok((await one.driver.request("issuer")).ok);
	});

	it("name a replica whose heartbeat is damaged, and go on without it when told", async () => {
		const one = start("c1", ["a.default"]);
		for (const [name, text] of Object.entries({ gone: '{"replica":"go', none: "null", list: "[]" }))
			writeFileSync(join(directory, "acknowledged", `${name}.json`), text);
		await one.driver.request("issuer");
		clock.advance(30_000);
		const state = one.driver.state();
		assert.deepEqual(
			state.phase === "running" && state.blockers,
			["gone", "list", "none"].map((replica) => ({ type: "replicaSilent", replica })),
		);
		for (const replica of ["gone", "list", "none"]) assert.ok(one.driver.forgetReplica(replica));
		clock.advance(60_000);
		assert.equal(stageOf(one), "done");
	});

	it("leave the new root alone, also where the state of an earlier rotation was lost half way", async () => {
		const one = start("c1", ["a.default"]);
		one.driver.request("root");
		clock.advance(1_000);
		assert.equal(stageOf(one), "trust-both");
		rmSync(join(directory, "rotation.json"));
		clock.advance(5_000);
		const left = rootsOf(one);
		assert.equal(left.length, 2);
		await one.driver.request("root");
		clock.advance(60_000);
		assert.equal(stageOf(one), "done");
		assert.equal(rootsOf(one).length, 1);
		assert.ok(!left.includes(rootsOf(one)[0] ?? ""));
		assert.equal(one.authority.issuers().length, 1);
	});

	it("say which file of the authority is damaged, and go on when it is back", async () => {
		const one = start("c1", ["a.default"]);
		await one.driver.request("root");
		clock.advance(1_000);
		const path = join(directory, "versions", "000002.json");
		const good = readFileSync(path);
		for (const damage of ["", "null", "{}", good.subarray(0, 700)]) {
			writeFileSync(path, damage);
			assert.throws(() => one.authority.addIssuer(), /000002\.json is damaged/);
		}
		clock.advance(30_000);
		const state = one.driver.state();
		assert.match((state.phase === "running" && state.failure) || "", /000002\.json is damaged/);
		writeFileSync(path, good);
		clock.advance(60_000);
		assert.equal(stageOf(one), "done");
	});

	it("refuse a second rotation and say why", async () => {
		const one = start("c1", []);
		const two = start("c2", []);
		await one.driver.request("root");
		const refused = await two.driver.request("issuer");
		assert.ok(!refused.ok);
		assert.match(refused.because, /a rotation of the root is under way/);
		assert.ok((await two.driver.abort()).ok);
		clock.advance(30_000);
		assert.equal(stageOf(one), "aborted");
	});
});
