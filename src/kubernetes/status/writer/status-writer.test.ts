import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { silentLog } from "../../../runtime/log.ts";
import { noMetrics } from "../../../runtime/metrics.ts";
import { VirtualClock } from "../../../runtime/virtual-clock.ts";
import type { ApiAnswer, KubernetesClient, RequestOptions } from "../../client/kubernetes-client.ts";
import { aFate, proxies } from "../fates.testing.ts";
import type { ResourceFate } from "../resource-fate.ts";
import { resourceStatusOf } from "../resource-status.ts";
import { StatusWriter } from "./status-writer.ts";

interface Patch {
	readonly atMs: number;
	readonly path: string;
	readonly options: RequestOptions;
}

/** An API server in memory: what it has, and what is asked of it. */
class Rig {
	readonly clock = new VirtualClock();
	readonly patches: Patch[] = [];
	readonly lists: string[] = [];
	fates: readonly ResourceFate[] = [];
	/** Statuses that stand there, by name. */
	readonly stored = new Map<string, unknown>();
	answer: () => ApiAnswer | Error = () => ({ status: 200, body: {} });
	readonly writer: StatusWriter;

	constructor() {
		const client: KubernetesClient = {
			server: "https://api",
			namespace: "default",
			open: () => Promise.reject(new Error("no watch here")),
			close: () => {},
			request: async (method, path, options = {}) => {
				await turn();
				if (method === "GET") return this.#list(path);
				this.patches.push({ atMs: this.clock.monotonicMs(), path, options });
				const answer = this.answer();
				if (answer instanceof Error) throw answer;
				return answer;
			},
		};
		const deps = { client, clock: this.clock, log: silentLog, metrics: noMetrics };
		this.writer = new StatusWriter({}, { ...deps, fates: async () => this.fates });
	}

	#list(path: string): ApiAnswer {
		this.lists.push(path);
		const items = [...this.stored].map(([name, status]) => ({ metadata: { name, namespace: "shop" }, status }));
		return { status: 200, body: { metadata: { resourceVersion: "1" }, items } };
	}

	async pass(ms: number): Promise<void> {
		for (let passed = 0; passed < ms; passed += 50) {
			for (let turns = 0; turns < 8; turns++) await turn();
			this.clock.advance(50);
		}
		for (let turns = 0; turns < 8; turns++) await turn();
	}
}

describe("the writer of statuses", () => {
	it("writes nothing while others lead", async () => {
		const rig = new Rig();
		rig.fates = [aFate()];
		await rig.pass(10_000);
		assert.deepEqual([rig.lists, rig.patches], [[], []]);
	});

	it("applies the status of a resource as its own fields, to that very object", async () => {
		const rig = new Rig();
		rig.fates = [aFate("reviews", proxies(3, 4))];
		rig.writer.lead(true);
		await rig.pass(2000);
		assert.equal(rig.patches.length, 1);
		const [{ path = "", options = {} } = {}] = rig.patches;
		assert.equal(path, "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews/status");
		assert.equal(options.contentType, "application/apply-patch+yaml");
		assert.deepEqual(options.query, { fieldManager: "keepmesh-control", force: true });
		const { apiVersion, kind, metadata, status } = options.body as Record<string, unknown>;
		assert.deepEqual([apiVersion, kind], ["networking.istio.io/v1", "VirtualService"]);
		assert.deepEqual(metadata, { name: "reviews", namespace: "shop", uid: "uid-reviews" });
		assert.equal((status as { applied: string }).applied, "3 of 4");
		rig.writer.close();
	});

	it("begins with what stands in the API: a new leader writes only what differs", async () => {
		const rig = new Rig();
		rig.fates = [aFate("a"), aFate("b"), aFate("c", { generation: 2 })];
		for (const name of ["a", "c"]) rig.stored.set(name, resourceStatusOf(aFate(name), [], "2020-01-01T00:00:00Z"));
		rig.stored.set("b", { conditions: [{ type: "Reconciled", status: "True" }] });
		rig.writer.lead(true);
		await rig.pass(5000);
		const names = rig.patches.map(({ path }) => path.split("/").at(-2));
		assert.deepEqual(names.sort(), ["b", "c"]);
		rig.writer.close();
	});

	it("keeps the time of a condition that another replica wrote", async () => {
		const rig = new Rig();
		rig.fates = [aFate("a", { generation: 2 })];
		rig.stored.set("a", resourceStatusOf(aFate("a"), [], "2020-01-01T00:00:00Z"));
		rig.writer.lead(true);
		await rig.pass(2000);
		const body = rig.patches[0]?.options.body as
			| { status: { conditions: { lastTransitionTime: string }[] } }
			| undefined;
		assert.equal(body?.status.conditions[0]?.lastTransitionTime, "2020-01-01T00:00:00Z");
		rig.writer.close();
	});

	it("stops at once when it leads no more", async () => {
		const rig = new Rig();
		rig.writer.lead(true);
		await rig.pass(2000);
		rig.fates = [aFate()];
		rig.writer.lead(false);
		await rig.pass(60_000);
		assert.equal(rig.patches.length, 0);
	});

	it("leaves a server alone that does not answer, and goes on when it does", async () => {
		const rig = new Rig();
		rig.fates = Array.from({ length: 50 }, (_, index) => aFate(`r${index}`));
		rig.answer = () => new Error("connection refused");
		rig.writer.lead(true);
		await rig.pass(60_000);
		const asked = rig.patches.length;
		assert.ok(asked >= 4 && asked <= 60, `${asked} writes in a minute without a server`);
		rig.answer = () => ({ status: 200, body: {} });
		rig.patches.length = 0;
		await rig.pass(120_000);
		assert.equal(new Set(rig.patches.map(({ path }) => path)).size, 50);
		rig.writer.close();
	});

	it("waits as long as the server asks it to", async () => {
		const rig = new Rig();
		rig.fates = [aFate("a"), aFate("b")];
		rig.answer = () => ({ status: 429, body: {}, retryAfterMs: 20_000 });
		rig.writer.lead(true);
		await rig.pass(15_000);
		assert.equal(rig.patches.length, 2);
		rig.writer.close();
	});

	it("goes on with others when one is refused", async () => {
		const rig = new Rig();
		rig.fates = [aFate("a"), aFate("b"), aFate("c")];
		rig.answer = () => ({ status: rig.patches.at(-1)?.path.includes("/a/") ? 422 : 200, body: {} });
		rig.writer.lead(true);
		await rig.pass(5000);
		const names = rig.patches.map(({ path }) => path.split("/").at(-2));
		assert.deepEqual([...new Set(names)], ["a", "b", "c"]);
		assert.ok(names.filter((name) => name === "a").length <= 4);
		assert.equal(names.filter((name) => name !== "a").length, 2);
		rig.writer.close();
	});
});
