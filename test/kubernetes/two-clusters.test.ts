// Two clusters of one set, beside the one that the other tests use: apart in everything but the routes between them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { nodeImage } from "../../cluster/images/image-names.ts";
import { setDown } from "../../cluster/set-down.ts";
import { readSetRecord } from "../../cluster/set-record.ts";
import { setUp } from "../../cluster/set-up.ts";
import { noCluster, openCluster, type TestCluster } from "./test-cluster.ts";

const size = { name: "kmtwo", clusters: 2, nodes: 1 };
const options = { kubeProxy: true, kubeletArgs: [], share: [], apiServerArgs: [], controllerArgs: [] };

const serverOf = (cluster: TestCluster): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name: "server" },
	spec: {
		terminationGracePeriodSeconds: 0,
		containers: [
			{
				name: "main",
				image: nodeImage,
				command: [
					...["node", "-e"],
					`require("http").createServer((request, response) => response.end("cluster ${cluster.shape.number} to " + request.socket.remoteAddress)).listen(8080, "0.0.0.0")`,
				],
				readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
			},
		],
	},
});

describe("two clusters of one set", { skip: noCluster, timeout: 300_000 }, () => {
	const clusters: TestCluster[] = [];
	before(async () => {
		await setUp(size, options, { say: () => {}, signal: new AbortController().signal });
		for (const number of [1, 2]) {
			const cluster = await openCluster(number, size.name);
			clusters.push(cluster);
			await cluster.apply(serverOf(cluster));
		}
		for (const cluster of clusters)
			await cluster.kubectl("wait", "--for=condition=Ready", "pod/server", "--timeout=180s");
	});
	after(async () => {
		const record = readSetRecord(size.name);
		if (record) await setDown(record);
	});

	const addressIn = (cluster: TestCluster): Promise<string> =>
		cluster.kubectl("get", "pod", "server", "--output", "jsonpath={.status.podIP}");

	it("reach each other's pods, which see the address that asked", async () => {
		const [left, right] = clusters;
		assert.ok(left && right);
		for (const [from, to] of [
			[left, right],
			[right, left],
		] as const) {
			const answer = await from.exec("server", "wget", "-q", "-O", "-", `http://${await addressIn(to)}:8080/`);
			assert.equal(answer, `cluster ${to.shape.number} to ${await addressIn(from)}`);
		}
	});

	it("reach each other's API server, which does not know the other's administrator", async () => {
		const [left, right] = clusters;
		assert.ok(left && right);
		const url = `https://${right.shape.controlPlane.ip}:6443/version`;
		const script = `process.env.NODE_TLS_REJECT_UNAUTHORIZED = 0; fetch("${url}").then(async (answer) => console.log((await answer.json()).minor))`;
		assert.equal(await left.exec("server", "node", "--no-warnings", "-e", script), "36\n");
		const stranger = await left.tryKubectl(["get", "nodes", "--server", `https://${right.shape.controlPlane.ip}:6443`]);
		assert.notEqual(stranger.code, 0);
		assert.match(stranger.stderr, /certificate signed by unknown authority/);
	});

	it("know nothing of each other's objects", async () => {
		const [left, right] = clusters;
		assert.ok(left && right);
		await left.kubectl("create", "configmap", "only-here");
		assert.match((await right.tryKubectl(["get", "configmap", "only-here", "-n", left.namespace])).stderr, /NotFound/);
	});
});
