// Two and three control planes of one process, over mutual TLS, each with a directory of its own, or with one that they share. Who
// owns the virtual IP is said by hand.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../../runtime/log.ts";
import { type RunningControl, startControl } from "../../control.ts";
import type { ReplicaStatus } from "./replica-group.ts";

const rule = (name: string, port: number): string => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.example.com]
  ports: [{ number: ${port}, name: http, protocol: HTTP }]
  resolution: DNS
`;

describe("a group of control planes", () => {
	let directory = "";
	let running: (RunningControl | undefined)[] = [];
	let ports: readonly number[] = [];

	beforeEach(async () => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-group-"));
		ports = await freePorts(3);
		running = [];
	});
	afterEach(async () => {
		await Promise.all(running.map((one) => one?.close()));
		rmSync(directory, { recursive: true, force: true });
	});

	const resourcesOf = (index: number): string => join(directory, `resources-${index}`);
	async function start(index: number, count: number, resources = resourcesOf(index)): Promise<RunningControl> {
		mkdirSync(resources, { recursive: true });
		const others = ports.slice(0, count).filter((_, other) => other !== index);
		const started = await startControl(
			{
				id: `c${index}`,
				version: "0",
				resources: [resources],
				dataDirectory: join(directory, `data-${index}`),
				caDirectory: join(directory, "ca"),
				trustDomain: "cluster.local",
				api: { host: "127.0.0.1", port: 0 },
				secureXds: { host: "127.0.0.1", port: ports[index] ?? 0 },
				replicas: {
					peers: others.map((port) => ({ host: "127.0.0.1", port })),
					advertised: `127.0.0.1:${ports[index]}`,
				},
			},
			{ log: silentLog },
		);
		running[index] = started;
		return started;
	}
	const group = (index: number) => {
		const found = running[index]?.replicas?.group;
		assert.ok(found);
		return found;
	};
	const status = (index: number): ReplicaStatus => group(index).status();
	const put = async (index: number, text: string) => {
		const url = `http://127.0.0.1:${running[index]?.apiPort}/api/v1/resources`;
		const response = await fetch(url, { method: "PUT", body: text });
		return { status: response.status, body: await response.json() };
	};
	const drop = (index: number, name: string) =>
		fetch(`http://127.0.0.1:${running[index]?.apiPort}/api/v1/resources/ServiceEntry/default/${name}`, {
			method: "DELETE",
		});
	const fileOf = (index: number, name: string): string => join(resourcesOf(index), `ServiceEntry.default.${name}.yaml`);
	const said = (index: number, name: string): string =>
		existsSync(fileOf(index, name)) ? readFileSync(fileOf(index, name), "utf8") : "";
	const isSettled = (by: number, index: number): boolean => {
		const { leader, differing, revision } = status(index);
		return leader === `c${by}` && differing === 0 && revision === status(by).revision;
	};
	const untilLed = (by: number, all: readonly number[]) =>
		until(`c${by} leads`, () => all.every((index) => isSettled(by, index)));
	const stop = async (index: number): Promise<void> => {
		await running[index]?.close();
		running[index] = undefined;
	};

	it("carries writes to the leader, and what it accepts to those that read other files", async () => {
		await Promise.all([start(0, 3), start(1, 3), start(2, 3)]);
		group(0).setOwner(true);
		await untilLed(0, [0, 1, 2]);
		assert.equal((await put(1, rule("a", 80))).status, 200);
		// Accepted means that every replica in contact has it.
		assert.deepEqual(
			[0, 1, 2].map((index) => said(index, "a").includes("number: 80")),
			[true, true, true],
		);
		assert.equal(new Set([0, 1, 2].map((index) => status(index).revision)).size, 1);
		assert.equal((await put(2, rule("a", 81))).status, 200);
		assert.deepEqual(
			[0, 1, 2].map((index) => said(index, "a").includes("number: 81")),
			[true, true, true],
		);
		assert.equal((await drop(1, "a")).status, 200);
		assert.deepEqual(
			[0, 1, 2].map((index) => said(index, "a")),
			["", "", ""],
		);
		assert.equal((await put(1, "kind: Nonsense")).status, 422);
		assert.equal((await drop(1, "a")).status, 404);
	});

	it("hears others that come later, and forgets a leader that is no longer among them", async () => {
		await Promise.all([start(0, 0), start(1, 0)]);
		group(0).setOwner(true);
		await until("c0 leads", () => status(0).leader === "c0");
		assert.deepEqual(status(1).peers, []);
		const peerOf = (index: number) => [{ host: "127.0.0.1", port: ports[index] ?? 0 }];
		group(0).setPeers(peerOf(1));
		group(1).setPeers(peerOf(0));
		await untilLed(0, [0, 1]);
		group(1).setPeers(peerOf(0));
		assert.equal(status(1).leader, "c0");
		group(1).setPeers([]);
		assert.equal(status(1).leader, undefined);
		assert.deepEqual(status(1).peers, []);
	});

	it("goes on under another leader in a newer epoch, and a write meanwhile waits for it", async () => {
		await Promise.all([start(0, 2), start(1, 2)]);
		group(0).setOwner(true);
		await untilLed(0, [0, 1]);
		await put(0, rule("a", 80));
		const before = status(1).revision;
		await stop(0);
		const written = put(1, rule("a", 81));
		await sleep(150);
		group(1).setOwner(true);
		assert.equal((await written).status, 200);
		assert.ok(
			Number(status(1).revision.split(".")[0]) > Number(before.split(".")[0]),
			`${before} ${status(1).revision}`,
		);
		await start(0, 2);
		await untilLed(1, [0, 1]);
		assert.match(said(0, "a"), /number: 81/);
		assert.equal(status(0).revision, status(1).revision);
	});

	it("tells the leader of files that were edited at another replica, also while that one did not run", async () => {
		await Promise.all([start(0, 2), start(1, 2)]);
		group(0).setOwner(true);
		await untilLed(0, [0, 1]);
		writeFileSync(join(resourcesOf(1), "mine.yaml"), rule("b", 90));
		await until("the leader has it", () => said(0, "b").includes("number: 90"));
		await stop(1);
		writeFileSync(join(resourcesOf(1), "later.yaml"), rule("c", 91));
		await start(1, 2);
		await until("the leader has that as well", () => said(0, "c").includes("number: 91"));
		await untilLed(0, [0, 1]);
	});

	it("ends a split with one state, in which of two changes of one resource the newer epoch's is kept, and no other is lost", async () => {
		await Promise.all([start(0, 2), start(1, 2)]);
		group(0).setOwner(true);
		await untilLed(0, [0, 1]);
		await put(0, rule("a", 80));
		// As apart as two processes are whose network is cut: one is away while the other goes on.
		await stop(1);
		await put(0, rule("a", 81));
		await put(0, rule("old", 70));
		await stop(0);
		await start(1, 2);
		group(1).setOwner(true);
		await until("c1 leads alone", () => status(1).role === "leader");
		await put(1, rule("a", 82));
		await put(1, rule("new", 71));
		await start(0, 2);
		await untilLed(1, [0, 1]);
		await until("all is the same", () =>
			[0, 1].every((index) => said(index, "old") !== "" && said(index, "new") !== ""),
		);
		assert.deepEqual(
			[0, 1].map((index) => said(index, "a").includes("number: 82")),
			[true, true],
		);
		await until("one revision", () => status(0).revision === status(1).revision);
	});

	it("leaves a directory that all of them read to its files", async () => {
		const shared = join(directory, "shared");
		await Promise.all([start(0, 2, shared), start(1, 2, shared)]);
		group(0).setOwner(true);
		await untilLed(0, [0, 1]);
		writeFileSync(join(shared, "a.yaml"), rule("a", 80));
		await until("both have it", () =>
			[0, 1].every(
				(index) =>
					status(index).revision === status(0).revision &&
					status(index).differing === 0 &&
					status(0).revision.endsWith(".1"),
			),
		);
		assert.deepEqual(
			readdirSync(shared).filter((name) => name.endsWith(".yaml")),
			["a.yaml"],
		);
	});

	it("tells who asks without a certificate of a control plane nothing", async () => {
		await start(0, 2);
		const { connect } = await import("node:http2");
		const { callUnary } = await import("../../../xds/wire/unary-service.ts");
		const session = connect(`https://127.0.0.1:${ports[0]}`, { rejectUnauthorized: false });
		session.on("error", () => {});
		await assert.rejects(
			callUnary(session, "/keepmesh.control.v1.Replicas/State", Buffer.from("{}"), { timeoutMs: 2_000 }),
			/grpc-status 7 .*control planes of this mesh only/,
		);
		session.destroy();
	});
});

async function until(what: string, is: () => boolean): Promise<void> {
	const endMs = performance.now() + 10_000;
	while (!is()) {
		if (performance.now() > endMs) throw new Error(`never: ${what}`);
		await sleep(10);
	}
}

async function freePorts(count: number): Promise<readonly number[]> {
	const servers = await Promise.all(
		Array.from({ length: count }, async () => {
			const server = createServer();
			await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
			return server;
		}),
	);
	const ports = servers.map((server) => (server.address() as AddressInfo).port);
	await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
	return ports;
}
