import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { typeUrls } from "../resource.ts";
import { resourceSet } from "../session.testing.ts";
import { encodedNode, TestClient } from "./ads-client.testing.ts";
import { heldBy, RelayRig } from "./relay-rig.testing.ts";

describe("a relay that is given connections of one proxy", () => {
	const rig = new RelayRig();
	const doors: Server[] = [];
	const clients: TestClient[] = [];
	afterEach(() => {
		for (const { stream } of clients.splice(0)) stream.close();
		for (const door of doors.splice(0)) door.close();
	});
	const clientThroughDoorOf = async (proxyId: string): Promise<TestClient> => {
		const socketPath = join(rig.directory, `door-${doors.length}.sock`);
		const door = createServer((socket) => rig.relay?.accept(socket, proxyId));
		doors.push(door);
		await new Promise<void>((resolve) => door.listen(socketPath, resolve));
		const client = new TestClient({ socketPath });
		clients.push(client);
		return client;
	};

	it("serves them as it serves its own", async () => {
		await rig.start([await rig.control(resourceSet(typeUrls.cluster, { a: "1" }))]);
		const client = await clientThroughDoorOf("sidecar~1");
		client.ask({ typeUrl: typeUrls.cluster, node: encodedNode("sidecar~1") });
		await client.until(() => heldBy(client, typeUrls.cluster) === 1);
		assert.equal(rig.relay?.status()[0]?.nodeId, "sidecar~1");
	});

	it("serves no other proxy on them", async () => {
		await rig.start([await rig.control(resourceSet(typeUrls.cluster, { a: "1" }))]);
		const client = await clientThroughDoorOf("sidecar~1");
		client.ask({ typeUrl: typeUrls.cluster, node: encodedNode("sidecar~2") });
		assert.equal((await client.closed).grpcStatus, 7);
		const own = rig.client();
		own.ask({ typeUrl: typeUrls.cluster, node: encodedNode("sidecar~2") });
		await own.until(() => heldBy(own, typeUrls.cluster) === 1);
	});
});
