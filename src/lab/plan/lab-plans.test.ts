import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseNode } from "./choose-node.ts";
import { builtInImages, imageMatches, resolveImage } from "./image-map.ts";
import { parseLabFile } from "./lab-file.ts";
import { isLabName, nextPodAddress, planLabNetwork, planNetworkUp } from "./lab-network.ts";
import { type LabPod, podStatusWord, renderEndpointSlices, renderPodObject, renderStatus } from "./lab-pod.ts";
import { podEnvironment } from "./pod-environment.ts";
import { planProbes } from "./probe-plan.ts";
import { hashName, stableText } from "./text-hash.ts";

const network = planLabNetwork({ name: "lab", nodes: 2, controls: 1 });

describe("the network plan", () => {
	it("gives every node a route to the pods of every other node, and the client to all", () => {
		const lines = (netns: string) =>
			planNetworkUp(network)
				.flat()
				.filter((batch) => batch.netns === netns)
				.flatMap((batch) => batch.lines);
		assert.ok(lines("km-lab-node-1").includes("route add 10.77.2.0/24 via 10.77.0.12"));
		assert.ok(!lines("km-lab-node-1").some((line) => line.startsWith("route add 10.77.1.0/24")));
		assert.equal(lines("km-lab-client").filter((line) => line.startsWith("route add")).length, 2);
	});

	it("never touches the namespace of the machine itself, but to add namespaces", () => {
		for (const { netns, lines } of planNetworkUp(network).flat())
			if (netns === "") assert.ok(lines.every((line) => /^netns add km-lab-[a-z0-9-]+$/.test(line)));
	});

	it("fixes the hardware address of every bridge, which would else change with its ports", () => {
		const bridges = planNetworkUp(network)
			.flat()
			.flatMap((batch) => batch.lines)
			.filter((line) => line.includes("type bridge"));
		const addresses = bridges.map((line) => /address (02(?::[0-9a-f]{2}){5}) type/.exec(line)?.[1]);
		assert.equal(new Set(addresses).size, 3);
		assert.ok(!addresses.includes(undefined));
	});

	it("gives out an address again only when all others have been used", () => {
		const [node] = network.nodes;
		assert.ok(node);
		assert.equal(nextPodAddress(node, new Set(), 0), "10.77.1.2");
		assert.equal(nextPodAddress(node, new Set(), 2), "10.77.1.3");
		assert.equal(nextPodAddress(node, new Set(["10.77.1.2"]), 254), "10.77.1.3");
		const all = new Set(Array.from({ length: 253 }, (_, index) => `10.77.1.${index + 2}`));
		assert.equal(nextPodAddress(node, all, 7), undefined);
	});

	it("refuses names whose namespaces could be another lab's", () => {
		assert.deepEqual(["lab", "t123", "lab-2", "", "Lab", "averylongname"].map(isLabName), [
			true,
			true,
			false,
			false,
			false,
			false,
		]);
	});
});

describe("choosing a node", () => {
	it("spreads the pods of one owner before it evens out the nodes", () => {
		const pods = [
			{ node: "a", owner: "x" },
			{ node: "b", owner: "y" },
			{ node: "b", owner: "y" },
		];
		assert.equal(chooseNode(["a", "b"], pods, "x"), "b");
		assert.equal(chooseNode(["a", "b"], pods, "z"), "a");
		assert.equal(chooseNode(["a", "b"], pods, "z", "b"), "b");
	});
});

describe("the image map", () => {
	const rules = builtInImages(["node", "bookinfo.ts"]);

	it("knows every image of Bookinfo, with its version", () => {
		const image = (name: string) => {
			const found = resolveImage(
				{ name: "c", image: `registry.istio.io/release/examples-bookinfo-${name}:1.20.3` },
				rules,
				"lab.yaml",
			);
			return found.ok ? [found.command.at(-1), found.env.SERVICE_VERSION] : found.message;
		};
		assert.deepEqual(image("reviews-v3"), ["reviews", "v3"]);
		assert.deepEqual(image("details-v2"), ["details", "v2"]);
		assert.deepEqual(image("productpage-v1"), ["productpage", "v1"]);
		assert.deepEqual(image("mysqldb"), ["mysql", "v1"]);
	});

	it("runs the container's own command only for images that are a shell", () => {
		const sleep = { name: "c", image: "curlimages/curl", command: ["/bin/sleep"], args: ["infinity"] };
		const bin = { name: "c", image: "docker.io/mccutchen/go-httpbin:v2", command: ["/bin/go-httpbin"] };
		const command = (container: typeof sleep | typeof bin) => {
			const found = resolveImage(container, rules, "lab.yaml");
			return found.ok ? found.command : [];
		};
		assert.deepEqual(command(sleep), ["/bin/sleep", "infinity"]);
		assert.deepEqual(command(bin), ["node", "bookinfo.ts", "httpbin"]);
	});

	it("says of an unknown image what to write where", () => {
		const found = resolveImage({ name: "c", image: "example.com/shop/cart:7" }, rules, "/home/me/lab.yaml");
		assert.equal(
			found.ok ? "" : found.message,
			'no local command stands for the image "example.com/shop/cart:7"; add one to /home/me/lab.yaml: images: [{match: "example.com/shop/cart*", command: [...]}]',
		);
	});

	it("takes only * as a pattern", () => {
		assert.equal(imageMatches("a.b:*", "a.b:1"), true);
		assert.equal(imageMatches("a.b:*", "axb:1"), false);
		assert.equal(imageMatches("a+b", "aab"), false);
	});

	it("tells all that is wrong with a lab file", () => {
		const parsed = parseLabFile({
			images: [{ match: "x", command: [] }, { command: ["a"] }, { match: "y", command: ["a"], env: { A: 1 } }, 7],
		});
		assert.deepEqual(parsed.ok ? [] : parsed.problems.map((problem) => problem.split(":")[0]), [
			"images[0].command",
			"images[1].match",
			"images[2].env",
			"images[3]",
		]);
	});
});

const pod = (more: Partial<LabPod> = {}): LabPod => ({
	name: "a-1",
	namespace: "default",
	uid: "u",
	owner: "Deployment/default/a",
	templateHash: "h",
	labels: { app: "a" },
	annotations: {},
	spec: { containers: [{ name: "c", ports: [{ name: "web", containerPort: 8080 }] }] },
	node: "node-1",
	address: "10.77.1.2",
	netns: "km-lab-pod-1-2",
	createdMs: 0,
	readySinceMs: 5,
	proxy: "ready",
	containers: [],
	message: "",
	...more,
});

describe("what the lab writes for the control planes", () => {
	const service = {
		name: "a",
		namespace: "default",
		spec: { selector: { app: "a" }, ports: [{ name: "http", port: 80, targetPort: "web" }] },
	};
	const endpoints = (pods: readonly LabPod[]) =>
		renderEndpointSlices(service, pods).map(({ object }) => {
			const slice = object as {
				ports: readonly { port: number }[];
				endpoints: readonly { addresses: readonly string[]; conditions: object }[];
			};
			return [slice.ports[0]?.port, slice.endpoints.map((one) => [one.addresses[0], one.conditions])];
		});

	it("looks up a named port in each pod, and makes a slice for each number", () => {
		const other = pod({
			name: "a-2",
			address: "10.77.1.3",
			spec: { containers: [{ name: "c", ports: [{ name: "web", containerPort: 9090 }] }] },
		});
		assert.deepEqual(
			endpoints([pod(), other]).map(([port]) => port),
			[8080, 9090],
		);
	});

	it("says ready, serving and terminating as Kubernetes does", () => {
		const { readySinceMs: _, ...starting } = pod();
		const condition = (one: LabPod): unknown => {
			const [slice] = endpoints([one]);
			const members = (slice?.[1] ?? []) as readonly (readonly unknown[])[];
			return members[0]?.[1];
		};
		assert.deepEqual(condition(pod()), { ready: true, serving: true, terminating: false });
		assert.deepEqual(condition(pod({ deletedMs: 9 })), { ready: false, serving: true, terminating: true });
		assert.deepEqual(condition(starting), { ready: false, serving: false, terminating: false });
	});

	it("leaves out pods of other namespaces, other labels and without an address", () => {
		assert.deepEqual(endpoints([pod({ namespace: "x" }), pod({ labels: {} }), pod({ address: "" })]), []);
	});

	it("writes a leaving pod after the slice that names its successor: a service is never seen without endpoints", () => {
		const leaving = pod({ name: "a-0", address: "10.77.1.9", deletedMs: 5 });
		const names = renderStatus([leaving, pod()], [service]).map(({ name }) => name.replace(/-[^-]{5}$/, ""));
		assert.deepEqual(names, ["Pod.default.a-1", "EndpointSlice.default.a", "Pod.default.a-0"]);
	});

	it("marks a pod that is being deleted", () => {
		const object = renderPodObject(pod({ deletedMs: 1000 })) as { metadata: { deletionTimestamp?: string } };
		assert.equal(object.metadata.deletionTimestamp, "1970-01-01T00:00:01.000Z");
	});

	it("shows in one word how a pod is", () => {
		const container = {
			name: "c",
			running: false,
			ready: false,
			restarts: 3,
			because: "CrashLoopBackOff: exited with code 1",
		};
		assert.deepEqual(
			[pod(), pod({ containers: [container] }), pod({ deletedMs: 1 }), pod({ message: "FailedStart: no" })].map(
				podStatusWord,
			),
			["Running", "CrashLoopBackOff", "Terminating", "FailedStart"],
		);
	});
});

describe("a container's environment", () => {
	it("takes fields of the pod, expands $(NAME) and names what it cannot give", () => {
		const facts = { ...pod(), serviceAccount: "sa" };
		const { env, leftOut } = podEnvironment(
			facts,
			{
				name: "c",
				env: [
					{ name: "WHO", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
					{ name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
					{ name: "URL", value: "http://$(WHO):80/$(NOT)" },
					{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
				],
			},
			{ SERVICE_VERSION: "v1" },
		);
		assert.deepEqual([env.WHO, env.APP, env.URL, env.SERVICE_VERSION], ["a-1", "a", "http://a-1:80/$(NOT)", "v1"]);
		assert.deepEqual(leftOut, ["PASSWORD"]);
	});
});

describe("the probe plan", () => {
	it("waits for the first port of a container that has no probes", () => {
		const plan = planProbes({ name: "c", ports: [{ containerPort: 9080 }] });
		assert.deepEqual(
			plan.probes.map((probe) => [probe.probe, probe.check]),
			[["startup", { kind: "tcp", port: 9080 }]],
		);
		assert.equal(plan.config.probes.startup?.onFailure, "pass");
	});

	it("fills in Kubernetes' defaults and looks up port names", () => {
		const plan = planProbes({
			name: "c",
			ports: [{ name: "http", containerPort: 8080 }],
			livenessProbe: { httpGet: { port: "http" } },
		});
		const [probe] = plan.probes;
		assert.deepEqual(probe?.check, { kind: "http", port: 8080, path: "/", tls: false });
		assert.deepEqual(
			[probe?.periodMs, probe?.timeoutMs, plan.config.probes.liveness],
			[10_000, 1000, { success: 1, failure: 3 }],
		);
	});
});

describe("template hashes", () => {
	it("do not depend on the order of keys, and differ when a value does", () => {
		assert.equal(hashName(stableText({ a: 1, b: [2] }), 9), hashName(stableText({ b: [2], a: 1 }), 9));
		assert.notEqual(hashName(stableText({ a: 1 }), 9), hashName(stableText({ a: 2 }), 9));
	});
});
