// A node of the test cluster loses its power: it is silent at once, and comes back with the pods that it had.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { nodeImage } from "../../cluster/images/image-names.ts";
import { processesOf } from "../../cluster/machine-processes.ts";
import { nodeDown, nodeUp } from "../../cluster/node-power.ts";
import { type PlannedCluster, planSetHere } from "../../cluster/plan-set.ts";
import { noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

const server = `require("http").createServer((request, response) => response.end("here")).listen(8080)`;
const podOn = (node: string): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name: node },
	spec: {
		nodeName: node,
		terminationGracePeriodSeconds: 0,
		containers: [
			{
				name: "main",
				image: nodeImage,
				command: ["node", "-e", server],
				readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
			},
		],
	},
});

describe("a node that loses its power", { skip: noCluster, timeout: 300_000 }, () => {
	let cluster: TestCluster;
	let planned: PlannedCluster;
	let last: PlannedCluster["nodes"][number];
	before(async () => {
		cluster = await openCluster();
		const [first] = planSetHere(cluster.record).clusters;
		const node = first?.nodes.at(-1);
		assert.ok(first && node && first.nodes.length > 1);
		planned = first;
		last = node;
		await cluster.apply(podOn("n1"), podOn(last.node.name));
		await cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s");
	});
	after(async () => {
		await nodeUp(cluster.record, planned.cluster, last);
		await cluster?.close();
	});

	const podOfLast = async (): Promise<{ ip: string; restarts: number; ready: boolean }> => {
		const { status } = JSON.parse(await cluster.kubectl("get", "pod", last.node.name, "--output", "json"));
		const [container] = status.containerStatuses;
		return { ip: status.podIP, restarts: container.restartCount, ready: container.ready };
	};
	const answers = async (ip: string): Promise<boolean> => {
		const command = ["exec", "n1", "--", "timeout", "2", "wget", "-q", "-O", "-", `http://${ip}:8080/`];
		return (await cluster.tryKubectl(command)).stdout === "here";
	};

	it("takes every process of its pods with it, and its address", async () => {
		const { ip } = await podOfLast();
		assert.ok(await answers(ip));
		await nodeDown(cluster.record, planned.cluster, last);
		assert.deepEqual(processesOf(last.node, cluster.record.hierarchies), []);
		assert.equal(await answers(ip), false);
	});

	it("is Ready again once it has booted, and its pods run again", async () => {
		await nodeUp(cluster.record, planned.cluster, last);
		await until("the pod serves again", async () => {
			const { restarts, ready, ip } = await podOfLast();
			return restarts >= 1 && ready && (await answers(ip));
		});
	});
});
