// Pods on real nodes talk to pods, Services and names, and kubectl reaches into them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { nodeImage } from "../../cluster/images/image-names.ts";
import { noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

const labels = { app: "web" };
/** Answers with the name of its pod. */
const server = `require("http").createServer((request, response) => response.end(require("os").hostname())).listen(8080, () => console.log("listening"))`;
const web = {
	apiVersion: "apps/v1",
	kind: "Deployment",
	metadata: { name: "web" },
	spec: {
		replicas: 2,
		selector: { matchLabels: labels },
		template: {
			metadata: { labels },
			spec: {
				terminationGracePeriodSeconds: 0,
				topologySpreadConstraints: [
					{
						maxSkew: 1,
						topologyKey: "kubernetes.io/hostname",
						whenUnsatisfiable: "DoNotSchedule",
						labelSelector: { matchLabels: labels },
					},
				],
				containers: [
					{
						name: "web",
						image: nodeImage,
						command: ["node", "-e", server],
						readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
					},
				],
			},
		},
	},
};
const service = {
	apiVersion: "v1",
	kind: "Service",
	metadata: { name: "web" },
	spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
};

interface Pod {
	readonly metadata: { readonly name: string };
	readonly spec: { readonly nodeName: string };
	readonly status: { readonly podIP: string };
}

describe("pods on a real cluster", { skip: noCluster, timeout: 300_000 }, () => {
	let cluster: TestCluster;
	let pods: readonly Pod[];
	before(async () => {
		cluster = await openCluster();
		await cluster.apply(web, service);
		await cluster.kubectl("rollout", "status", "deployment/web", "--timeout=180s");
		pods = JSON.parse(await cluster.kubectl("get", "pods", "--selector", "app=web", "--output", "json")).items;
	});
	after(() => cluster?.close());

	const fetchFrom = (pod: Pod | undefined, url: string): Promise<string> =>
		cluster.exec(pod?.metadata.name ?? "", "wget", "-q", "-O", "-", url);

	it("run on different nodes", () => {
		const nodes = new Set(pods.map((pod) => pod.spec.nodeName));
		assert.equal(nodes.size, Math.min(2, cluster.shape.nodes.length));
	});

	it("reach each other by their addresses, in both directions", async () => {
		const [left, right] = pods;
		assert.equal(await fetchFrom(left, `http://${right?.status.podIP}:8080/`), right?.metadata.name);
		assert.equal(await fetchFrom(right, `http://${left?.status.podIP}:8080/`), left?.metadata.name);
	});

	it("reach every pod of a Service, themselves too, at its address", async () => {
		const address = await cluster.kubectl("get", "service", "web", "--output", "jsonpath={.spec.clusterIP}");
		const command = `for i in $(seq 20); do timeout 2 wget -q -O - http://${address}/; echo; done`;
		const names = pods.map((pod) => pod.metadata.name);
		// A node's kube-proxy learns of a pod a moment after the pod is ready.
		for (const from of names) {
			const answers = new Set<string>();
			await until(
				`an answer of every pod to ${from}`,
				async () => {
					const printed = await cluster.exec(from, "sh", "-c", command);
					for (const line of printed.split("\n")) if (line !== "") answers.add(line);
					return answers.size >= names.length;
				},
				30_000,
			);
			assert.deepEqual([...answers].sort(), [...names].sort());
		}
	});

	it("find a Service by its short name and by its full one", async () => {
		const names = pods.map((pod) => pod.metadata.name);
		assert.ok(names.includes(await fetchFrom(pods[0], "http://web/")));
		assert.ok(names.includes(await fetchFrom(pods[1], `http://web.${cluster.namespace}.svc.cluster.local/`)));
	});

	it("are entered by kubectl exec, which brings back output, input and exit code", async () => {
		const name = pods[0]?.metadata.name ?? "";
		assert.equal(await cluster.exec(name, "hostname"), `${name}\n`);
		const echo = await cluster.tryKubectl(["exec", "--stdin", name, "--", "cat"], "round trip");
		assert.equal(echo.stdout, "round trip");
		assert.equal((await cluster.tryKubectl(["exec", name, "--", "sh", "-c", "exit 7"])).code, 7);
	});

	it("have their output in kubectl logs", async () => {
		assert.equal(await cluster.kubectl("logs", pods[0]?.metadata.name ?? ""), "listening\n");
	});

	it("reach the API server as their ServiceAccount, which may read nothing by itself", async () => {
		const script = `
			const { readFileSync } = require("fs");
			const at = "/var/run/secrets/kubernetes.io/serviceaccount/";
			const headers = { authorization: "Bearer " + readFileSync(at + "token") };
			const options = { ca: readFileSync(at + "ca.crt"), headers, path: "/api/v1/namespaces/default/secrets" };
			require("https").get("https://kubernetes.default.svc", options, (response) => {
				let text = "";
				response.on("data", (part) => (text += part)).on("end", () => console.log(JSON.parse(text).message));
			});`;
		const answer = await cluster.exec(pods[0]?.metadata.name ?? "", "node", "-e", script);
		assert.match(answer, new RegExp(`User "system:serviceaccount:${cluster.namespace}:default" cannot list`));
	});
});
