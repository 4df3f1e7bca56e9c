// What heartbeats have in the API: their key, who takes part, where control planes are, and what the leader writes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { realClock } from "../../../runtime/clock.ts";
import { silentLog } from "../../../runtime/log.ts";
import { VirtualClock } from "../../../runtime/virtual-clock.ts";
import { configMaps, events } from "../../client/api-resources.ts";
import { FakeApi } from "../../client/fake-api.testing.ts";
import { type ApiResource, pathOf } from "../../client/resource-path.ts";
import { decodeDatagram, encodeDatagram } from "../datagram.ts";
import { followAgents } from "./follow-agents.ts";
import { signWith } from "./heartbeat-key.ts";
import { followHeartbeatSecret, heartbeatSecretName } from "./heartbeat-secret.ts";
import { lostNodesName, lostNodesOf } from "./lost-nodes-object.ts";
import { LostNodesWriter } from "./lost-nodes-writer.ts";

const namespace = "keepmesh-system";
const core = (kind: string, plural: string, group = ""): ApiResource => ({
	group,
	version: "v1",
	plural,
	kind,
	namespaced: true,
});
const secrets = core("Secret", "secrets");
const pods = core("Pod", "pods");
const deps = (client: FakeApi) => ({ client, clock: realClock, log: silentLog });

async function until(ask: () => boolean | Promise<boolean>): Promise<void> {
	for (let turn = 0; turn < 2_000; turn++) {
		if (await ask()) return;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	assert.fail("not within 10 s");
}

describe("the key of heartbeats", () => {
	it("is made by a control plane where there is none, and then the same for all", async () => {
		const api = new FakeApi();
		const node = followHeartbeatSecret({ namespace, makes: false }, deps(api));
		await until(() => api.openWatches === 1);
		assert.deepEqual(node.keys(), []);
		const control = followHeartbeatSecret({ namespace, makes: true }, deps(api));
		await until(() => node.keys().length === 1 && control.keys().length === 1);
		const [ours, theirs] = [control.keys()[0], node.keys()];
		assert.ok(ours && decodeDatagram(encodeDatagram({ type: "ask", node: "n1", nonce: 1n }, ours), theirs));
		node.close();
		control.close();
	});

	it("changes without a moment in which two do not understand each other, and is kept when its Secret goes", async () => {
		const api = new FakeApi();
		const base64 = (text: string): string => Buffer.from(text).toString("base64");
		api.put(secrets, { metadata: { name: heartbeatSecretName, namespace }, data: { key: base64("old") } });
		const node = followHeartbeatSecret({ namespace, makes: false }, deps(api));
		await until(() => node.keys().length === 1);
		const data = { key: base64("new"), previous: base64("old") };
		api.put(secrets, { metadata: { name: heartbeatSecretName, namespace }, data });
		await until(() => node.keys().length === 2);
		for (const key of ["old", "new"]) {
			const bytes = encodeDatagram({ type: "ask", node: "n1", nonce: 1n }, signWith(Buffer.from(key)));
			assert.ok(decodeDatagram(bytes, node.keys()), key);
		}
		api.remove(secrets, namespace, heartbeatSecretName);
		await new Promise((resolve) => setTimeout(resolve, 50));
		assert.equal(node.keys().length, 2);
		node.close();
	});
});

describe("who takes part", () => {
	const labels = { "app.kubernetes.io/name": "keepmesh-node" };
	const agent = (name: string, nodeName: string, hostIP?: string) => ({
		metadata: { name, namespace, labels },
		spec: { nodeName },
		status: hostIP === undefined ? {} : { hostIP },
	});

	it("are the machines with a Pod of the agent; one that is replaced changes nothing", async () => {
		const api = new FakeApi();
		api.put(pods, agent("a", "n1", "192.0.2.1"));
		api.put(pods, agent("b", "n2"));
		const told: string[] = [];
		const agents = followAgents(
			{ namespace },
			{
				...deps(api),
				onNodes: (peers) => told.push([...peers].map(([node, { address }]) => `${node} ${address}`).join()),
			},
		);
		await until(() => told.length === 1);
		assert.deepEqual(told, ["n1 192.0.2.1"], "one that has no address yet is not there yet");
		api.put(pods, agent("b", "n2", "192.0.2.2"));
		await until(() => told.length === 2);
		api.remove(pods, namespace, "a");
		api.put(pods, agent("c", "n1", "192.0.2.1"));
		await new Promise((resolve) => setTimeout(resolve, 100));
		assert.deepEqual(told.slice(1), ["n1 192.0.2.1,n2 192.0.2.2"]);
		agents.close();
	});
});

describe("what the leader writes of lost nodes", () => {
	const place = { namespace, name: lostNodesName };
	const lost = { type: "lost", node: "n1", observers: ["n2"], silentForMs: 200 } as const;
	interface Told {
		readonly involvedObject: { readonly kind: string; readonly name: string };
		readonly reason: string;
	}
	/** In Events, while the server answers. */
	async function told(api: FakeApi): Promise<readonly string[]> {
		const { body } = await api.request("GET", pathOf(events, "default"));
		const { items } = body as { readonly items: readonly Told[] };
		return items.map(({ involvedObject: { kind, name }, reason }) => `${kind} ${name} ${reason}`);
	}
	function writer(api: FakeApi, leads: { isLeader: boolean }) {
		const clock = new VirtualClock();
		// Real servers make what is applied; this one wants it there.
		api.put(configMaps, { metadata: place, data: { nodes: "" } });
		const made = new LostNodesWriter(
			{ place, reporter: "control-1" },
			{ client: api, clock, log: silentLog, isLeader: () => leads.isLeader },
		);
		const written = () => {
			const found = api.get(configMaps, namespace, lostNodesName);
			return found && lostNodesOf(found);
		};
		return { clock, made, written };
	}

	it("is there for those that read only the API server, as it is now, and once", async () => {
		const api = new FakeApi();
		const { made, written } = writer(api, { isLeader: true });
		made.set(["n2", "n1"]);
		await until(() => written()?.join() === "n1,n2");
		made.set([]);
		await until(() => written()?.length === 0);
		const asked = api.asked.length;
		made.set([]);
		await new Promise((resolve) => setTimeout(resolve, 20));
		assert.equal(api.asked.length, asked, "nothing changed");
	});

	it("is written by nobody else, and by a new leader at once", async () => {
		const api = new FakeApi();
		const leads = { isLeader: false };
		const { made, written } = writer(api, leads);
		made.set(["n1"]);
		made.tell(lost);
		await new Promise((resolve) => setTimeout(resolve, 20));
		assert.deepEqual(api.asked, []);
		leads.isLeader = true;
		made.writeNow();
		await until(() => written()?.join() === "n1");
		await until(async () => (await told(api)).length === 1);
	});

	it("is not told by one that leads only long after", async () => {
		const api = new FakeApi();
		const leads = { isLeader: false };
		const { clock, made, written } = writer(api, leads);
		made.set(["n1"]);
		made.tell(lost);
		clock.advance(31_000);
		leads.isLeader = true;
		made.writeNow();
		await until(() => written()?.join() === "n1");
		assert.deepEqual(await told(api), []);
	});

	it("is tried at once when more is known, not only when the next try is due", async () => {
		const api = new FakeApi();
		const { made, written } = writer(api, { isLeader: true });
		api.isDown = true;
		made.set(["n1"]);
		made.tell(lost);
		await new Promise((resolve) => setTimeout(resolve, 20));
		api.isDown = false;
		made.set(["n1", "n2"]);
		made.tell({ ...lost, node: "n2" });
		await until(() => written()?.join() === "n1,n2");
		await until(async () => (await told(api)).length === 2);
	});

	it("is tried again until the API server takes it", async () => {
		const api = new FakeApi();
		const { clock, made, written } = writer(api, { isLeader: true });
		api.isDown = true;
		made.set(["n1"]);
		made.tell(lost);
		await new Promise((resolve) => setTimeout(resolve, 20));
		api.isDown = false;
		assert.deepEqual(await told(api), []);
		clock.advance(1_000);
		await until(() => written()?.join() === "n1");
		await until(async () => (await told(api)).length === 1);
		clock.advance(5_000);
		await new Promise((resolve) => setTimeout(resolve, 20));
		assert.deepEqual(await told(api), ["Node n1 KeepmeshNodeLost"], "once");
	});
});
