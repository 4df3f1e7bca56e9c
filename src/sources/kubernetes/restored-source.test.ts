import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { gateways, SourceRig, services, virtualServices } from "./source-rig.testing.ts";
import { customKinds, secretResource } from "./watched-kinds.ts";

describe("a source of resources that starts while the API server does not answer", () => {
	let rig: SourceRig;
	beforeEach(() => {
		rig = new SourceRig();
	});
	afterEach(() => rig.close());

	const passSeconds = async (seconds: number): Promise<void> => {
		for (let second = 0; second < seconds; second++) await rig.settle(1000);
	};
	/** One process ends, the API server is lost, and another process starts. */
	const restart = async (): Promise<void> => {
		rig.start();
		await passSeconds(3);
		rig.close();
		rig.news();
		rig.api.isDown = true;
		rig.start();
	};
	const virtualService = (weight: number) =>
		rig.api.put(virtualServices, {
			metadata: { name: "a", namespace: "default" },
			spec: { hosts: ["a"], http: [{ route: [{ destination: { host: "a" }, weight }] }] },
		});

	it("goes on with what the process before it knew, after three seconds, and says how old that is", async () => {
		rig.define(virtualServices);
		rig.service("a");
		virtualService(100);
		await restart();
		await passSeconds(2);
		assert.equal(await rig.isReady(), false);
		await passSeconds(2);
		assert.equal(await rig.isReady(), true);
		assert.deepEqual(rig.news(), ["+Service/default/a +VirtualService/default/a"]);
		await passSeconds(60);
		const { ageMs, because, isFresh, isRestored, kinds } = rig.source.status();
		assert.deepEqual([isFresh, isRestored], [false, true]);
		assert.ok(ageMs > 63_000 && ageMs < 70_000, String(ageMs));
		assert.match(because ?? "", /connection refused/);
		assert.equal(kinds.find(({ kind }) => kind === "Service")?.objects, 1);
	});

	it("applies the difference when the server is back, and never an emptiness", async () => {
		rig.define(virtualServices);
		for (const name of ["a", "b", "c"]) rig.service(name);
		virtualService(100);
		await restart();
		await passSeconds(4);
		rig.news();
		rig.api.remove(services, "default", "b");
		rig.service("c", 81);
		rig.service("d");
		rig.api.isDown = false;
		await passSeconds(12);
		assert.deepEqual(rig.news(), ["+Service/default/c +Service/default/d -Service/default/b"]);
		const { ageMs, isFresh, isRestored } = rig.source.status();
		assert.deepEqual([ageMs, isFresh, isRestored], [0, true, false]);
	});

	it("knows that kinds and Secrets went meanwhile", async () => {
		rig.define(gateways);
		rig.define(virtualServices);
		virtualService(100);
		rig.pod("gate", "edge", { app: "gate" });
		rig.secret("kept", "edge");
		rig.secret("gone", "edge");
		rig.api.put(gateways, {
			metadata: { name: "g", namespace: "default" },
			spec: {
				selector: { app: "gate" },
				servers: ["kept", "gone"].map((credentialName, index) => ({
					port: { number: 443 + index, name: `https-${index}`, protocol: "HTTPS" },
					hosts: ["*"],
					tls: { mode: "SIMPLE", credentialName },
				})),
			},
		});
		await restart();
		await passSeconds(4);
		assert.match(
			rig.news().join(" "),
			/\+Secret\/edge\/kept.*\+Secret\/edge\/gone|\+Secret\/edge\/gone.*\+Secret\/edge\/kept/,
		);
		rig.api.remove(secretResource, "edge", "gone");
		rig.api.remove(customKinds, undefined, "virtualservices.networking.istio.io");
		rig.api.isDown = false;
		await passSeconds(12);
		const news = rig.news().join(" ").split(" ").sort();
		assert.deepEqual(news, ["-Secret/edge/gone", "-VirtualService/default/a"]);
		assert.equal(rig.source.status().isRestored, false);
	});

	it("keeps the last good version of an object whose newest one was refused", async () => {
		rig.define(virtualServices);
		virtualService(100);
		rig.start();
		await rig.settle();
		virtualService(-1);
		await passSeconds(3);
		rig.close();
		const before = rig.problems;
		assert.equal(before.length > 0, true);
		rig.api.isDown = true;
		rig.start();
		await passSeconds(4);
		assert.ok(rig.source.current("VirtualService/default/a"));
		assert.deepEqual(rig.problems, before);
	});

	it("waits for a server that answers, and takes what that has", async () => {
		rig.service("a");
		rig.start();
		await passSeconds(3);
		rig.close();
		rig.news();
		rig.service("b");
		const { open } = rig.api;
		rig.api.open = async (path, options) => {
			if (path === pathOf(services)) await new Promise<void>((done) => rig.clock.after(6_000, done));
			return open.call(rig.api, path, options);
		};
		rig.start();
		await passSeconds(5);
		assert.equal(await rig.isReady(), false);
		await passSeconds(3);
		assert.deepEqual(rig.news(), ["+Service/default/a +Service/default/b"]);
		assert.equal(rig.source.status().isRestored, false);
	});

	it("has nothing to begin with from another cluster's server", async () => {
		rig.service("a");
		await restart();
		rig.store.text = rig.store.text?.replace("fake://api", "fake://other");
		await passSeconds(30);
		assert.equal(await rig.isReady(), false);
	});

	/** It has written one Service, and wrote or writes another one for so long. */
	const writesFor = async (costMs: number): Promise<void> => {
		rig.service("a");
		rig.start();
		await passSeconds(3);
		rig.store.costMs = costMs;
		rig.service("b");
		await passSeconds(2);
	};

	it("writes what is not written yet as soon as the server is lost", async () => {
		await writesFor(400);
		assert.match(rig.store.text ?? "", /Service\/default\/b/);
		rig.service("c");
		await passSeconds(3);
		assert.doesNotMatch(rig.store.text ?? "", /Service\/default\/c/, "it rests");
		rig.api.isDown = true;
		rig.api.breakWatches();
		await passSeconds(3);
		assert.match(rig.store.text ?? "", /Service\/default\/c/);
	});

	it("writes at once what came while it wrote, and the server was lost meanwhile", async () => {
		await writesFor(3_000);
		rig.service("c");
		rig.api.isDown = true;
		await rig.settle();
		rig.api.breakWatches();
		await passSeconds(6);
		assert.match(rig.store.text ?? "", /Service\/default\/c/);
	});

	it("writes what it knows soon after a change, not for each, and only its time while nothing changes", async () => {
		rig.start();
		await passSeconds(3);
		const before = rig.store.saves;
		for (let at = 0; at < 40; at++) {
			rig.service(`s-${at}`);
			await rig.settle(100);
		}
		await passSeconds(3);
		const writes = rig.store.saves - before;
		assert.ok(writes >= 1 && writes <= 6, String(writes));
		assert.match(rig.store.text ?? "", /Service\/default\/s-39/);
		await passSeconds(60);
		assert.equal(rig.store.saves - before, writes);
		assert.ok(rig.clock.wallMs() - rig.store.asOfMs < 6_000);
		rig.api.isDown = true;
		rig.api.breakWatches();
		await passSeconds(60);
		const ageMs = rig.clock.wallMs() - rig.store.asOfMs;
		assert.ok(ageMs > 58_000 && ageMs < 75_000, String(ageMs));
	});
});
