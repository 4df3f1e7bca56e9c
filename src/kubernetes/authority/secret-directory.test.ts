import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { secrets } from "../client/api-resources.ts";
import { FakeCluster } from "./replicas.testing.ts";
import { SecretDirectory } from "./secret-directory.ts";

const scratch = mkdtempSync(join(tmpdir(), "keepmesh-secret-directory-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

function replicaOf(cluster: FakeCluster, directory = join(scratch, `r${++count}`)) {
	const { client, cut } = cluster.client();
	let changes = 0;
	const shared = new SecretDirectory(
		{ namespace: "system", name: "ca", type: "t", directory },
		{ client, clock: cluster.clock, log: silentLog, onChange: () => changes++ },
	);
	return {
		shared,
		cut,
		changes: () => changes,
		read: (name: string) => readFileSync(join(directory, name), "utf8"),
		has: (name: string) => existsSync(join(directory, name)),
		put: (name: string, content: string, tries?: number) =>
			shared.transact((copy) => {
				mkdirSync(dirname(join(copy, name)), { recursive: true });
				writeFileSync(join(copy, name), content);
			}, tries),
	};
}

describe("directories that hold one Secret's files", () => {
	it("get what any of them changes, and nothing of what is only theirs", async () => {
		const cluster = new FakeCluster();
		const [a, b] = [replicaOf(cluster), replicaOf(cluster)];
		for (const { shared } of [a, b]) {
			await shared.load();
			shared.follow();
		}
		await cluster.pass(100);
		assert.deepEqual(await a.put("rotation.json", "1"), { ok: true, result: undefined });
		writeFileSync(join(a.shared.directory, "rotation.lock"), "mine");
		await cluster.pass(100);
		assert.equal(a.read("rotation.json"), "1");
		assert.equal(b.read("rotation.json"), "1");
		await b.shared.transact((copy) => rmSync(join(copy, "rotation.json")));
		await cluster.pass(100);
		assert.deepEqual([a.has("rotation.json"), b.has("rotation.json"), b.has("rotation.lock")], [false, false, false]);
		assert.deepEqual([a.changes(), b.changes()], [2, 2]);
	});

	it("run a change again on what somebody else made of it meanwhile", async () => {
		const cluster = new FakeCluster();
		const [a, b] = [replicaOf(cluster), replicaOf(cluster)];
		await a.put("rotation.json", "1");
		await b.shared.load();
		await b.put("rotation.json", "12");
		// a has not heard of it.
		const outcome = await a.shared.transact((copy) => {
			const text = `${readFileSync(join(copy, "rotation.json"), "utf8")}3`;
			writeFileSync(join(copy, "rotation.json"), text);
			return text;
		});
		assert.deepEqual(outcome, { ok: true, result: "123" });
		const late = await b.put("rotation.json", "late", 1);
		assert.deepEqual(late, { ok: false, because: "conflict" });
		assert.equal(b.read("rotation.json"), "123");
	});

	it("keep both changes of two that begin at once, also the first ones of all", async () => {
		const cluster = new FakeCluster();
		const replicas = Array.from({ length: 5 }, () => replicaOf(cluster));
		await Promise.all(replicas.map(({ put }, index) => put(`tokens/${index}.json`, String(index))));
		for (const { shared } of replicas) await shared.load();
		for (const { read } of replicas)
			assert.deepEqual(
				replicas.map((_, index) => read(`tokens/${index}.json`)),
				["0", "1", "2", "3", "4"],
			);
	});

	it("change nothing when the change fails, or cannot be told", async () => {
		const cluster = new FakeCluster();
		const a = replicaOf(cluster);
		await a.put("rotation.json", "1");
		await assert.rejects(
			a.shared.transact((copy) => {
				writeFileSync(join(copy, "rotation.json"), "2");
				throw new Error("no such issuer");
			}),
			/no such issuer/,
		);
		a.cut(true);
		await assert.rejects(a.put("rotation.json", "3"), /ECONNREFUSED/);
		assert.equal(a.read("rotation.json"), "1");
		a.cut(false);
		assert.ok((await a.put("rotation.json", "4")).ok);
		assert.deepEqual(
			readdirSync(scratch).filter((name) => name.includes(".copy-")),
			[],
		);
	});

	it("stay as they are while the API server is away, and catch up afterwards", async () => {
		const cluster = new FakeCluster();
		const [a, b] = [replicaOf(cluster), replicaOf(cluster)];
		await a.put("rotation.json", "1");
		await b.shared.load();
		b.shared.follow();
		await cluster.pass(100);
		b.cut(true);
		await a.put("rotation.json", "2");
		await cluster.pass(60_000, 1_000);
		assert.equal(b.read("rotation.json"), "1");
		assert.match(b.shared.stale ?? "", /ECONNREFUSED/);
		b.cut(false);
		await cluster.pass(60_000, 1_000);
		assert.deepEqual([b.read("rotation.json"), b.shared.stale], ["2", undefined]);
	});

	it("put the Secret back when somebody removes it, with what is newest", async () => {
		const cluster = new FakeCluster();
		const [a, b] = [replicaOf(cluster), replicaOf(cluster)];
		for (const { shared } of [a, b]) {
			await shared.load();
			shared.follow();
		}
		await a.put("rotation.json", "1");
		await cluster.pass(1_000);
		cluster.api.remove(secrets, "system", "ca");
		await cluster.pass(1_000);
		const { data } = cluster.api.get(secrets, "system", "ca") as unknown as { data: Record<string, string> };
		assert.deepEqual(data, { "rotation.json": Buffer.from("1").toString("base64") });
		await b.put("rotation.json", "2");
		await cluster.pass(1_000);
		assert.equal(a.read("rotation.json"), "2");
	});

	it("are cleared of what a process left that died amid a change", async () => {
		const cluster = new FakeCluster();
		const directory = join(scratch, "died");
		mkdirSync(join(`${directory}.copy-abc`, "keys"), { recursive: true });
		writeFileSync(join(`${directory}.copy-abc`, "keys", "a.pem"), "secret");
		replicaOf(cluster, directory);
		assert.equal(existsSync(`${directory}.copy-abc`), false);
	});

	it("begin with what is on the disk where the Secret is gone, and with the Secret's where it is not", async () => {
		const cluster = new FakeCluster();
		const a = replicaOf(cluster);
		await a.put("rotation.json", "disk");
		cluster.api.remove(secrets, "system", "ca");
		const again = replicaOf(cluster, a.shared.directory);
		await again.shared.load();
		await again.shared.transact(() => undefined);
		assert.notEqual(cluster.api.get(secrets, "system", "ca"), undefined);
		writeFileSync(join(a.shared.directory, "rotation.json"), "tampered");
		const third = replicaOf(cluster, a.shared.directory);
		await third.shared.load();
		assert.equal(third.read("rotation.json"), "disk");
	});
});
