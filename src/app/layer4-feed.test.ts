// Services from files to a node's own stream, through a real control plane.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { nodeStreamId } from "../identity/node-stream.ts";
import { decodeLayer4Service, layer4ServiceTypeUrl } from "../l4/service-codec.ts";
import { valueOfAny } from "../xds/relay-message.ts";
import { encodedNode, TestClient } from "../xds/wire/ads-client.testing.ts";
import { ControlRig } from "./control.testing.ts";

const service = (name: string, address: string) =>
	`apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: ${address}, ports: [{name: http, port: 80}]}\n`;
const slice = (name: string, ...addresses: readonly string[]) =>
	`apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: ${name}-1, labels: {kubernetes.io/service-name: ${name}}}\naddressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints: [${addresses.map((address) => `{addresses: [${address}]}`).join(", ")}]\n`;

describe("the stream of a node", () => {
	const rig = new ControlRig();
	const clients: TestClient[] = [];
	const ask = (name: string): TestClient => {
		const client = new TestClient({ host: "127.0.0.1", port: rig.xdsPort });
		clients.push(client);
		client.ask({ node: encodedNode(nodeStreamId(name)), typeUrl: layer4ServiceTypeUrl });
		return client;
	};
	const endpointsIn = (client: TestClient, name: string): readonly string[] | undefined => {
		const resource = client.received.flatMap(({ resources }) => resources).findLast((one) => one.name === name);
		const read = resource && decodeLayer4Service(valueOfAny(resource.any));
		return read?.ports.flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
	};

	before(async () => {
		rig.write("services.yaml", `${service("a", "10.96.0.1")}---\n${service("b", "10.96.0.2")}`);
		rig.write("slice.yaml", slice("a", "10.0.0.1"));
		await rig.start();
	});
	after(async () => {
		for (const client of clients) client.stream.close();
		await rig.close();
	});

	it("carries every Service with its endpoints", async () => {
		const client = ask("n1");
		await client.until(() => client.held.get(layer4ServiceTypeUrl)?.size === 2);
		assert.deepEqual(endpointsIn(client, "default/a"), ["10.0.0.1"]);
		assert.deepEqual(endpointsIn(client, "default/b"), []);
	});

	it("carries what changed and nothing else, also for a node that came in between", async () => {
		const client = ask("n2");
		await client.until(() => client.held.get(layer4ServiceTypeUrl)?.size === 2);
		const before = client.received.length;
		rig.write("slice.yaml", slice("a", "10.0.0.1", "10.0.0.2"));
		await client.until(() => client.received.length > before);
		assert.deepEqual(
			client.received.slice(before).map(({ resources }) => resources.map(({ name }) => name)),
			[["default/a"]],
		);
		assert.deepEqual(endpointsIn(client, "default/a"), ["10.0.0.1", "10.0.0.2"]);
	});

	it("tells of a Service that is gone", async () => {
		const client = ask("n3");
		await client.until(() => client.held.get(layer4ServiceTypeUrl)?.size === 2);
		rig.write("services.yaml", service("a", "10.96.0.1"));
		await client.until(() => client.held.get(layer4ServiceTypeUrl)?.size === 1);
		assert.deepEqual([...(client.held.get(layer4ServiceTypeUrl)?.keys() ?? [])], ["default/a"]);
	});
});
