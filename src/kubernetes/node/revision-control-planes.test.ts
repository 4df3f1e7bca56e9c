import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { endpointSlices } from "../client/api-resources.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import { RevisionControlPlanes } from "./revision-control-planes.ts";

const namespace = "keepmesh-system";

describe("the control planes of revisions", () => {
	let directory = "";
	let api = new FakeApi();
	let opened: RevisionControlPlanes[] = [];
	let changes = 0;
	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-revisions-"));
		api = new FakeApi();
		changes = 0;
	});
	afterEach(() => {
		for (const one of opened) one.close();
		opened = [];
		rmSync(directory, { recursive: true, force: true });
	});
	const file = (): string => join(directory, "revisions.json");
	const open = (): RevisionControlPlanes => {
		const deps = { client: api, clock: realClock, log: silentLog, onChange: () => changes++ };
		const one = new RevisionControlPlanes({ namespace, file: file() }, deps);
		opened.push(one);
		one.open();
		return one;
	};
	const put = (name: string, revision: string, ...hosts: readonly string[]) =>
		api.put(endpointSlices, {
			metadata: {
				name,
				namespace,
				labels: { "app.kubernetes.io/name": "keepmesh-control", "istio.io/rev": revision },
			},
			endpoints: hosts.map((host) => ({ addresses: [host], conditions: { ready: host !== "10.1.0.2" } })),
		});
	const until = async (is: () => boolean): Promise<void> => {
		for (let tries = 0; !is() && tries < 250; tries++) await sleep(20);
		assert.ok(is(), `${is}`);
	};
	const hosts = (one: RevisionControlPlanes, revision: string) => one.of(revision)?.map(({ host }) => host);

	it("are known by revision, ready or not, and all of them for whoever tells every one", async () => {
		put("a", "default", "10.1.0.2", "10.1.0.1");
		put("b", "1-1", "10.1.0.3");
		const one = open();
		await until(() => one.all().length === 3);
		assert.deepEqual([hosts(one, "default"), hosts(one, "1-1")], [["10.1.0.1", "10.1.0.2"], ["10.1.0.3"]]);
		assert.deepEqual(one.all()[0], { host: "10.1.0.1", port: 15_012 });
		assert.equal(one.of("1-2"), undefined);
	});

	it("are looked for where they were while none is there, and forgotten with their Service", async () => {
		put("b", "1-1", "10.1.0.3");
		const one = open();
		await until(() => one.of("1-1") !== undefined);
		put("b", "1-1");
		put("c", "1-2", "10.1.0.4");
		await until(() => one.of("1-2") !== undefined);
		assert.deepEqual(hosts(one, "1-1"), ["10.1.0.3"]);
		api.remove(endpointSlices, namespace, "b");
		await until(() => one.of("1-1") === undefined);
		assert.equal(changes, 3);
	});

	it("are known at a start without the API server, and not from a file that is damaged", async () => {
		put("b", "1-1", "10.1.0.3");
		const one = open();
		await until(() => one.of("1-1") !== undefined);
		api.isDown = true;
		assert.deepEqual(hosts(open(), "1-1"), ["10.1.0.3"]);
		writeFileSync(file(), '{"1-1":');
		assert.deepEqual(open().all(), []);
		writeFileSync(file(), '{"1-1":[7]}');
		assert.deepEqual(open().all(), []);
	});
});
