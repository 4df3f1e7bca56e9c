// Dead nodes on a real cluster, Keepmesh installed as docs/kubernetes/install.md has it, in place of kube-proxy: a machine loses its
// power under requests that come by a sidecar and by layer 4; what is no dead machine loses nothing.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { kubeconfigPath, namespacePath, programsDirectory } from "../../cluster/cluster-paths.ts";
import { keepmeshImage, nodeImage } from "../../cluster/images/image-names.ts";
import { keepmeshProcesses } from "../../cluster/keepmesh-processes.ts";
import { nodeDown, nodeUp } from "../../cluster/node-power.ts";
import type { NodePlan } from "../../cluster/plan/cluster-plan.ts";
import { apiPort } from "../../cluster/plan/cluster-shape.ts";
import { type PlannedCluster, planSetHere } from "../../cluster/plan-set.ts";
import { succeed, typed } from "./administrator.ts";
import { type BareCluster, startBareCluster } from "./bare-cluster.ts";
import { noCluster, until } from "./test-cluster.ts";

const noHelm = existsSync(`${programsDirectory}/helm`) ? undefined : "Helm is not built";
const patienceMs = 180_000;
const heartbeatPort = 15_029;
/** Of an idle machine it is 2 s; one with too much to do may be later, and never as late as Kubernetes itself. */
const mostMs = 15_000;
/** Of a request: to a machine that may be dead, and to one that is only slow. */
const [silentMs, slowMs] = [2_000, 20_000];

const server = `require("http").createServer((request, response) => response.end(process.env.NODE)).listen(8080);`;
/** Every 25 ms a request on a new connection until its input ends; prints a line for each: when it was sent, what became of it. */
const sender = `const { get } = require("http"), say = (atMs, what) => console.log(Math.round(atMs), what);
	setInterval(() => {
		const atMs = Date.now();
		get(process.argv[1], { agent: false, timeout: Number(process.argv[2]) }, (response) => {
			response.resume().on("end", () => say(atMs, response.statusCode)).on("error", (error) => say(atMs, error.code));
		}).on("timeout", function () { this.destroy(Object.assign(new Error(), { code: "silent" })); })
			.on("error", (error) => say(atMs, error.code));
	}, 25);
	process.stdin.resume().on("end", () => process.exit(0));`;

interface Sent {
	readonly atMs: number;
	readonly what: string;
}

describe("a node that dies under requests", { skip: noCluster ?? noHelm, timeout: 600_000 }, () => {
	let cluster: BareCluster;
	let planned: PlannedCluster;
	let victim: NodePlan;
	let others: readonly NodePlan[] = [];
	const senders: ChildProcess[] = [];
	before(async () => {
		cluster = await startBareCluster(3);
		const [first] = planSetHere(cluster.record).clusters;
		assert.ok(first);
		planned = first;
		const layer4 = [
			"node.layer4.enabled=true",
			`node.env.KUBERNETES_SERVICE_HOST=${first.cluster.controlPlane.ip}`,
			`node.env.KUBERNETES_SERVICE_PORT=${apiPort}`,
		];
		await keepmesh("install", "--image", keepmeshImage, ...layer4.flatMap((value) => ["--set", value]));
		await cluster.kubectl("label", "namespace", cluster.namespace, "istio-injection=enabled");
		// A control plane goes with it.
		const [lost] = await nodesOf("keepmesh-system", "app.kubernetes.io/name=keepmesh-control");
		const found = first.nodes.find(({ node }) => node.name === lost);
		assert.ok(found);
		victim = found;
		others = first.nodes.filter((one) => one !== victim);
		const [here = "", there = ""] = others.map(({ node }) => node.name);
		await cluster.apply(
			...service("meshed"),
			...service("plain"),
			...[victim.node.name, here].flatMap((node) => [serverPod("meshed", node), serverPod("plain", node)]),
			clientPod("by-sidecar", there, true),
			clientPod("by-layer4", there, false),
		);
		await cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=240s");
	});
	after(async () => {
		for (const child of senders) child.kill("SIGKILL");
		if (!cluster) return;
		if (victim) await nodeUp(cluster.record, planned.cluster, victim);
		await cluster.close();
	});

	const keepmesh = (...args: readonly string[]): Promise<string> => succeed(typed(cluster, ["keepmesh", ...args]));

	const nodesOf = async (namespace: string, selector: string): Promise<readonly string[]> => {
		const pods = ["get", "pods", "-n", namespace, "-l", selector, "-o", "jsonpath={.items[*].spec.nodeName}"];
		return (await cluster.kubectl(...pods)).split(" ");
	};

	function serverPod(app: string, node: string): object {
		const readinessProbe = { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 };
		return pod(`${app}-${node}`, node, app === "meshed", { app }, { command: ["node", "-e", server], readinessProbe });
	}

	function clientPod(name: string, node: string, isMeshed: boolean): object {
		return pod(name, node, isMeshed, { app: name }, { command: ["sleep", "3600"] });
	}

	function pod(name: string, node: string, isMeshed: boolean, labels: object, runs: object): object {
		const container = {
			name: "app",
			image: nodeImage,
			imagePullPolicy: "Never",
			...runs,
			env: [{ name: "NODE", value: node }],
		};
		return {
			apiVersion: "v1",
			kind: "Pod",
			metadata: { name, labels: { ...labels, "sidecar.istio.io/inject": String(isMeshed) } },
			spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [container] },
		};
	}

	function service(name: string): readonly object[] {
		const spec = { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] };
		return [{ apiVersion: "v1", kind: "Service", metadata: { name }, spec }];
	}

	const command = (...args: readonly string[]): readonly string[] => [
		...[`--net=${namespacePath(cluster.shape.controlPlane)}`, "--", `${programsDirectory}/kubectl`, "--kubeconfig"],
		...[kubeconfigPath(cluster.record.size.name, cluster.shape), "--namespace", cluster.namespace, ...args],
	];
	/** Requests flow once it resolves; the result ends them, and says what became of those sent since then. */
	const send = async (
		from: string,
		to: string,
		timeoutMs: number,
	): Promise<{ readonly sent: readonly Sent[]; stop(): void }> => {
		const address = await cluster.kubectl("get", "service", to, "-o", "jsonpath={.spec.clusterIP}");
		const exec = ["exec", "-i", from, "-c", "app", "--", "node", "-e", sender, `http://${address}`, String(timeoutMs)];
		const child = spawn("nsenter", command(...exec), { stdio: ["pipe", "pipe", "inherit"] });
		senders.push(child);
		const sent: Sent[] = [];
		let sinceMs = 0;
		let rest = "";
		child.stdout?.setEncoding("utf8").on("data", (text: string) => {
			const lines = (rest + text).split("\n");
			rest = lines.pop() ?? "";
			for (const [at, what = ""] of lines.map((line) => line.split(" ")))
				if (Number(at) >= sinceMs) sent.push({ atMs: Number(at), what });
		});
		await until(`answers to ${from}`, async () => sent.filter(isGood).length > 20, patienceMs);
		sinceMs = Date.now();
		sent.splice(0);
		return { sent, stop: () => child.stdin?.end() };
	};
	const isGood = ({ what }: Sent): boolean => what === "200";
	const lostNodes = async (): Promise<string> => {
		const found = await cluster.tryKubectl([
			"get",
			"configmap",
			"keepmesh-lost-nodes",
			"-n",
			"keepmesh-system",
			"-o",
			"json",
		]);
		return found.code === 0 ? JSON.stringify((JSON.parse(found.stdout) as { data?: object }).data ?? {}) : "";
	};
	/** How often an Event of its Node has said that it is lost. */
	const timesLost = async (): Promise<number> => {
		const chosen = `involvedObject.name=${victim.node.name},reason=KeepmeshNodeLost`;
		const found = await cluster.kubectl("get", "events", "-A", "--field-selector", chosen, "-o", "json");
		const { items } = JSON.parse(found) as { readonly items: readonly { readonly count?: number }[] };
		return items.reduce((sum, { count = 1 }) => sum + count, 0);
	};
	const agentOf = (plan: NodePlan): number => {
		const [found] = keepmeshProcesses(cluster.record, { ...planned, nodes: [plan] }, "node");
		assert.ok(found, `no agent on ${plan.node.name}`);
		return found;
	};
	const inMachine = (plan: NodePlan, ...words: readonly string[]): Promise<unknown> =>
		promisify(execFile)("nsenter", [`--net=${namespacePath(plan.node)}`, "--", ...words]);

	it("is not one whose agent was killed, nor one that a single other does not hear", async () => {
		const before = await timesLost();
		const flows = [await send("by-sidecar", "meshed", slowMs), await send("by-layer4", "plain", slowMs)];
		const deaf = others[0];
		assert.ok(deaf);
		await inMachine(
			deaf,
			"nft",
			`table inet deaf { chain in { type filter hook input priority -1; ip saddr ${victim.node.ip} udp dport ${heartbeatPort} drop; }; }`,
		);
		try {
			await sleep(2_000);
			process.kill(agentOf(victim), "SIGKILL");
			await sleep(2_500);
		} finally {
			await inMachine(deaf, "nft", "delete table inet deaf");
		}
		for (const flow of flows) {
			flow.stop();
			assert.deepEqual(
				flow.sent.filter((one) => !isGood(one)),
				[],
			);
		}
		assert.doesNotMatch(await lostNodes(), new RegExp(`\\b${victim.node.name}\\b`));
		assert.equal(await timesLost(), before);
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-node", "-n", "keepmesh-system", "--timeout=120s");
	});

	it("gets no more requests within moments, by sidecars and by layer 4", async (context) => {
		const flows = {
			sidecar: await send("by-sidecar", "meshed", silentMs),
			"layer 4": await send("by-layer4", "plain", silentMs),
		};
		const before = await timesLost();
		const offMs = Date.now();
		await nodeDown(cluster.record, planned.cluster, victim);
		await until("the verdict", async () => (await lostNodes()).includes(victim.node.name), mostMs);
		const lostOf = (sent: readonly Sent[]): readonly Sent[] => sent.filter((one) => !isGood(one));
		for (const [way, { sent, stop }] of Object.entries(flows)) {
			const lastMs = (): number => Math.max(0, ...lostOf(sent).map(({ atMs }) => atMs - offMs));
			// What became of a request is known after `silentMs`.
			await until(
				`a second without losses by ${way}`,
				async () => Date.now() - silentMs - offMs > lastMs() + 1_000,
				60_000,
			);
			stop();
			context.diagnostic(
				`by ${way}: ${lostOf(sent).length} of ${sent.length} lost, the last one ${lastMs()} ms after the power-off`,
			);
			assert.ok(lastMs() < mostMs, `${lastMs()} ms`);
		}
		await until("an Event of its Node", async () => (await timesLost()) > before);
	});

	it("is back once it has booted, and its pods serve again", async () => {
		await nodeUp(cluster.record, planned.cluster, victim);
		await until("it is not lost", async () => !(await lostNodes()).includes(victim.node.name), patienceMs);
		const client = `require("http").get(process.argv[1], (r) => r.pipe(process.stdout)).on("error", (e) => console.log(e.code))`;
		for (const [from, to] of [
			["by-sidecar", "meshed"],
			["by-layer4", "plain"],
		] as const) {
			const address = await cluster.kubectl("get", "service", to, "-o", "jsonpath={.spec.clusterIP}");
			const ask = ["exec", from, "-c", "app", "--", "node", "-e", client, `http://${address}`];
			await until(
				`${to} on ${victim.node.name} answers`,
				async () => (await cluster.tryKubectl(ask)).stdout === victim.node.name,
				patienceMs,
			);
		}
	});
});
