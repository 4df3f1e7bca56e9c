import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { WorkloadKeyPair } from "../../envoy/secret/workload-secrets.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { typeUrls } from "../../xds/resource.ts";
import { encodedNode, TestClient } from "../../xds/wire/ads-client.testing.ts";
import { type SecretServer, startSecretServer } from "./secret-server.ts";

const typeUrl = typeUrls.secret;

describe("the secrets of a node's Envoys", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-secrets-"));
	const socketPath = join(directory, "sds.sock");
	const pairs = new Map<string, WorkloadKeyPair>();
	const answered: string[] = [];
	const clients: TestClient[] = [];
	let server: SecretServer;

	before(async () => {
		server = await startSecretServer(socketPath, {
			admit: (proxyId) => proxyId !== "elsewhere",
			keyPairOf: (proxyId) => pairs.get(proxyId),
			onAnswered: (proxyId) => answered.push(proxyId),
			clock: realClock,
			log: silentLog,
		});
	});
	after(async () => {
		for (const { stream } of clients) stream.close();
		await server.close();
		rmSync(directory, { recursive: true });
	});
	const envoy = (proxyId: string, ...names: readonly string[]): TestClient => {
		const client = new TestClient({ socketPath });
		clients.push(client);
		client.ask({ typeUrl, node: encodedNode(proxyId), subscribe: names });
		return client;
	};
	const set = (proxyId: string, chainPem: string, rootPem: string): void => {
		pairs.set(proxyId, { chainPem, keyPem: "key", rootPem });
		server.publish(proxyId);
	};
	const size = (client: TestClient): number => client.held.get(typeUrl)?.size ?? 0;

	const stateOf = (proxyId: string): string => server.useOf(proxyId).state;

	it("are for proxies of this node only", async () => {
		const { grpcStatus, because } = await envoy("elsewhere", "default").closed;
		assert.equal(grpcStatus, 7);
		assert.match(because, /none of this machine's proxies/);
	});

	it("are waited for, and count as in use once they are confirmed, in the version of now", async () => {
		const client = envoy("p", "default", "ROOTCA");
		await client.until(() => stateOf("p") === "waiting");
		set("p", "chain 1", "root 1");
		await client.until(() => size(client) === 2);
		await client.until(() => stateOf("p") === "confirmed");
		assert.deepEqual(server.useOf("p").unasked, []);
		assert.ok(answered.includes("p"));
		client.answers = false;
		const before = client.received.length;
		set("p", "chain 1", "root 2");
		assert.equal(stateOf("p"), "waiting");
		await client.until(() => client.received.length > before);
		assert.equal(stateOf("p"), "waiting");
		const response = client.received.at(-1);
		assert.deepEqual(
			response?.resources.map(({ name }) => name),
			["ROOTCA"],
			"only what is another",
		);
		client.ask({ typeUrl, nonce: response?.nonce ?? "" });
		await client.until(() => stateOf("p") === "confirmed");
	});

	it("that were refused are not in use", async () => {
		set("q", "chain", "no root");
		const client = envoy("q");
		client.answers = false;
		client.ask({ typeUrl, subscribe: ["default", "ROOTCA"] });
		await client.until(() => client.received.some(({ resources }) => resources.length === 2));
		const { nonce = "" } = client.received.find(({ resources }) => resources.length === 2) ?? {};
		client.ask({ typeUrl, nonce, error: { code: 3, message: "this is no certificate" } });
		await client.until(() => stateOf("q") === "refused");
	});

	it("go to nobody else over a connection that is one proxy's own", async () => {
		const doorPath = join(directory, "door.sock");
		const door = createServer((socket) => server.accept(socket, "mine"));
		await new Promise<void>((resolve) => door.listen(doorPath, resolve));
		const throughDoor = (proxyId: string): TestClient => {
			const client = new TestClient({ socketPath: doorPath });
			clients.push(client);
			client.ask({ typeUrl, node: encodedNode(proxyId), subscribe: ["default"] });
			return client;
		};
		set("mine", "chain", "root");
		set("other", "chain", "root");
		assert.equal((await throughDoor("other").closed).grpcStatus, 7);
		const mine = throughDoor("mine");
		await mine.until(() => size(mine) === 1);
		door.close();
	});

	it("that nobody asks for are told apart from those that are not confirmed yet", async () => {
		assert.deepEqual(server.useOf("nobody"), { state: "confirmed", unasked: ["default", "ROOTCA"] });
		set("half", "chain", "root");
		const client = envoy("half", "default");
		await client.until(() => size(client) === 1);
		await client.until(() => stateOf("half") === "confirmed");
		assert.deepEqual(server.useOf("half").unasked, ["ROOTCA"]);
	});
});
