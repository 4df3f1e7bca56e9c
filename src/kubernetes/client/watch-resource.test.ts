import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { services } from "./api-resources.ts";
import { FakeApi } from "./fake-api.testing.ts";
import { type ResourceWatch, type WatchTarget, watchResource } from "./watch-resource.ts";

describe("a watch of one kind", () => {
	let api: FakeApi;
	let clock: VirtualClock;
	let told: string[];
	let watch: ResourceWatch | undefined;

	beforeEach(() => {
		api = new FakeApi();
		clock = new VirtualClock();
		told = [];
	});
	afterEach(() => watch?.close());

	const put = (name: string, port = 80, more: object = {}) =>
		api.put(services, { metadata: { name, namespace: "default", ...more }, spec: { port } });

	function start(target: Partial<WatchTarget<string>> = {}): void {
		const keep = (raw: { metadata: { name: string }; spec?: unknown }) =>
			`${raw.metadata.name}:${(raw.spec as { port: number }).port}`;
		watch = watchResource<string>(
			api,
			{ resource: services, keep, ...target },
			{
				clock,
				log: silentLog,
				random: () => 0.5,
				onEvent: (event) => {
					if (event.type === "synced") told.push(`synced ${event.objects.join(" ")}`.trim());
					else if (event.type === "applied") told.push(`+${event.object}`);
					else if (event.type === "removed") told.push(`-${event.name}`);
					else if (event.type === "stale") told.push(`stale: ${event.because}`);
					else told.push(event.type);
				},
			},
		);
	}
	/** Lets promises run; `ms`: then time passes, again and again. */
	async function settle(ms = 0): Promise<void> {
		for (let turn = 0; turn < 5; turn++) await new Promise((done) => setImmediate(done));
		if (ms === 0) return;
		clock.advance(ms);
		await settle();
	}
	const news = (): readonly string[] => told.splice(0);

	for (const canStream of [true, false]) {
		describe(canStream ? "by a streaming list" : "by a list and a watch", () => {
			beforeEach(() => {
				api.canStream = canStream;
			});

			it("tells everything once, then each change", async () => {
				put("a");
				put("b");
				start();
				await settle();
				assert.deepEqual(news(), ["synced a:80 b:80"]);
				put("a", 81);
				put("c");
				api.remove(services, "default", "b");
				await settle();
				assert.deepEqual(news(), ["+a:81", "+c:80", "-b"]);
			});

			it("says that it is in sync when there is nothing", async () => {
				start();
				await settle();
				assert.deepEqual(news(), ["synced"]);
			});

			it("goes on where it was when the connection ends or breaks, and says nothing of it", async () => {
				put("a");
				start();
				await settle();
				news();
				api.breakWatches();
				put("b");
				await settle(200);
				api.sendBookmarks();
				await settle();
				api.endWatches();
				await settle();
				put("c");
				await settle();
				assert.deepEqual(news(), ["+b:80", "+c:80"]);
			});

			it("tells the difference after the server has forgotten where the watch was", async () => {
				put("a");
				put("b");
				put("c");
				start();
				await settle();
				news();
				api.isDown = true;
				api.breakWatches();
				api.remove(services, "default", "a");
				put("b", 81);
				put("d");
				api.compact();
				api.isDown = false;
				await settle(200);
				assert.deepEqual(news(), ["+b:81", "+d:80", "-a"]);
			});

			it("tells of an object that was deleted and made anew during a gap that the old one went", async () => {
				put("a");
				start();
				await settle();
				news();
				api.breakWatches();
				api.remove(services, "default", "a");
				put("a", 82);
				api.compact();
				await settle(200);
				assert.deepEqual(news(), ["-a", "+a:82"]);
			});
		});
	}

	it("reads long lists by pages", async () => {
		api.canStream = false;
		for (let i = 0; i < 1201; i++) put(`s${i}`);
		start();
		await settle();
		assert.equal(news()[0]?.split(" ").length, 1202);
		assert.equal(api.asked.filter((path) => path.includes("limit=500")).length, 3);
	});

	it("takes nothing away while the server is lost, and tells since when and why", async () => {
		put("a");
		start();
		await settle();
		news();
		api.isDown = true;
		api.breakWatches();
		await settle(200);
		assert.deepEqual(news(), ["stale: GET /api/v1/services: connection refused"]);
		for (let minute = 0; minute < 10; minute++) await settle(60_000);
		assert.deepEqual(news(), []);
		api.isDown = false;
		await settle(10_000);
		assert.deepEqual(news(), ["fresh"]);
		put("a", 81);
		await settle();
		assert.deepEqual(news(), ["+a:81"]);
	});

	it("lists at once when a server that was lost has forgotten where the watch was", async () => {
		put("a");
		start();
		await settle();
		api.isDown = true;
		api.breakWatches();
		for (let second = 0; second < 60; second++) await settle(1000);
		api.compact();
		put("a", 81);
		news();
		api.isDown = false;
		const before = api.asked.length;
		while (api.asked.length === before) await settle(100);
		await settle();
		assert.deepEqual(news(), ["fresh", "+a:81"]);
	});

	it("asks a lost server at times that grow to ten seconds, with a part by chance", async () => {
		api.isDown = true;
		start();
		await settle();
		const atMs: number[] = [];
		for (let step = 0; step < 600; step++) {
			const before = api.asked.length;
			await settle(100);
			if (api.asked.length > before) atMs.push(clock.monotonicMs());
		}
		const gaps = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
		assert.deepEqual(gaps.slice(0, 5), [300, 600, 1200, 2400, 4800]);
		assert.ok(
			gaps.slice(5).every((gap) => gap === 7500),
			gaps.join(" "),
		);
	});

	it("is as if what is not wanted were not there, also when it ceases to be wanted", async () => {
		put("a");
		put("b", 1);
		start({ keep: (raw) => ((raw.spec as { port: number }).port === 1 ? undefined : raw.metadata.name) });
		await settle();
		put("a", 1);
		put("b", 2);
		await settle();
		assert.deepEqual(news(), ["synced a", "-a", "+b"]);
	});

	it("opens a watch anew that says nothing, not even by a bookmark", async () => {
		put("a");
		start();
		await settle();
		news();
		const before = api.asked.length;
		await settle(149_000);
		assert.equal(api.asked.length, before);
		await settle(1_100);
		assert.equal(api.asked.length, before + 1);
		assert.deepEqual(news(), []);
	});

	it("says why it is refused, and is there when it no longer is", async () => {
		api.refusals.set("/api/v1/services", 403);
		start();
		await settle();
		assert.deepEqual(news(), ["stale: Refused403"]);
		api.refusals.clear();
		put("a");
		await settle(200);
		assert.deepEqual(news(), ["synced a:80", "fresh"]);
	});

	it("does not ask without a pause a server that ends every watch at once", async () => {
		start();
		await settle();
		news();
		const before = api.asked.length;
		for (let turn = 0; turn < 50; turn++) {
			api.endWatches();
			await settle();
		}
		assert.ok(api.asked.length - before < 5, String(api.asked.length - before));
	});

	it("lists by pages when the list that a watch begins with never ends", async () => {
		put("a");
		const stuck = new FakeApi();
		const open = api.open.bind(api);
		api.open = async (path, options) =>
			options?.query?.sendInitialEvents ? stuck.open(path, { ...options, query: {} }) : open(path, options);
		start();
		await settle();
		assert.deepEqual(news(), []);
		await settle(30_000);
		await settle(1_000);
		assert.deepEqual(news(), ["synced a:80"]);
	});

	it("tells nothing more once it is closed", async () => {
		put("a");
		start();
		await settle();
		news();
		watch?.close();
		put("b");
		await settle(60_000);
		assert.deepEqual(news(), []);
		assert.equal(clock.armed, 0);
	});
});
