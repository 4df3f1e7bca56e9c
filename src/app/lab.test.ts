// A lab on real namespaces: everything that it brings, it takes away. Needs root; skipped without.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../lab/lab.ts";
import { labDown, processesOfLab } from "../lab/lab-down.ts";
import { daemonRuns, readLabRecord, runDirectory } from "../lab/lab-record.ts";
import { processesInNamespaces } from "../lab/namespace-processes.ts";
import { namespacesOf, netnsPath } from "../lab/network.ts";
import { signalProcess } from "../node/process-table.ts";
import { startLab } from "./lab.ts";

const isRoot = process.getuid?.() === 0;
const shop = (version: string, replicas: number): string => `
apiVersion: v1
kind: Service
metadata: { name: httpbin }
spec:
  selector: { app: httpbin }
  ports: [{ name: http, port: 8000, targetPort: web }]
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: httpbin }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: httpbin }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: httpbin } }
  template:
    metadata: { labels: { app: httpbin, version: ${version} } }
    spec:
      serviceAccountName: httpbin
      terminationGracePeriodSeconds: 3
      containers:
        - name: httpbin
          image: docker.io/mccutchen/go-httpbin:v2.15.0
          env: [{ name: SERVICE_VERSION, value: ${version} }]
          ports: [{ name: web, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /health, port: web }, periodSeconds: 1 }
`;

/** What a lab must not change at all. */
function machine(): object {
	return {
		links: readdirSync("/sys/class/net"),
		rules: execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }),
		addresses: readFileSync("/proc/net/fib_trie", "utf8"),
	};
}

/** Everything that a lab could leave on the machine. */
function traces(name: string, id: string): object {
	return {
		namespaces: namespacesOf(name),
		inNamespaces: processesInNamespaces(namespacesOf(name).map(netnsPath)),
		processes: processesOfLab(id),
		mounts: readFileSync("/proc/self/mounts", "utf8")
			.split("\n")
			.filter((line) => line.includes(`km-${name}-`) || line.includes(runDirectory(name))),
		run: readdirSync("/run").includes("keepmesh") && readdirSync("/run/keepmesh").includes(name),
	};
}

describe("a lab without a mesh", { skip: isRoot ? false : "needs root" }, () => {
	const name = `t${process.pid % 1_000_000}`;
	let directory = "";
	let lab: Lab;
	let machineBefore: object;
	const state = (): string => join(directory, "state");
	before(async () => {
		directory = mkdtempSync(join(tmpdir(), "km-lab-"));
		mkdirSync(join(directory, "resources"));
		machineBefore = machine();
		lab = await startLab({ name, mesh: false, nodes: 2, state: state() });
	});
	after(async () => {
		await labDown(name);
		rmSync(directory, { recursive: true, force: true });
	});
	const httpbins = async () => (await lab.pods()).filter((pod) => pod.labels.app === "httpbin");

	it("runs the pods of a Deployment, spread over the nodes and reachable from the client", async () => {
		assert.equal((await lab.apply(shop("v1", 2))).ok, true);
		assert.deepEqual(await lab.untilRolledOut(15_000), []);
		const pods = await httpbins();
		assert.deepEqual(new Set(pods.map((pod) => pod.node)), new Set(["node-1", "node-2"]));
		for (const pod of pods) {
			const { stdout } = await lab.execIn("client", ["curl", "-s", `http://${pod.address}:8080/hostname`]);
			assert.equal(JSON.parse(stdout).hostname, pod.name);
		}
		const [first, second] = pods;
		assert.ok(first && second);
		const { stdout } = await lab.execIn(first.name, ["curl", "-s", `http://${second.address}:8080/ip`]);
		assert.equal(JSON.parse(stdout).origin, first.address);
	});

	it("gives a pod its own resolver, host name and hosts", async () => {
		const [pod] = await httpbins();
		assert.ok(pod);
		const { stdout } = await lab.execIn(pod.name, ["sh", "-c", "cat /etc/resolv.conf /proc/sys/kernel/hostname"]);
		assert.equal(
			stdout,
			`search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.77.${pod.node.slice(-1)}.1\noptions ndots:5\n${pod.name}\n`,
		);
		const found = await lab.execIn("client", ["curl", "-s", `http://${pod.address}:8080/get`]);
		assert.equal(JSON.parse(found.stdout).pod, pod.name);
	});

	it("tells the control planes of pods and endpoints, ready ones only", async () => {
		const files = readdirSync(join(state(), "resources/status")).filter((file) => file.endsWith(".json"));
		assert.equal(files.filter((file) => file.startsWith("Pod.default.httpbin-")).length, 2);
		const slice = files.find((file) => file.startsWith("EndpointSlice.default.httpbin-"));
		const { ports, endpoints } = JSON.parse(readFileSync(join(state(), "resources/status", slice ?? ""), "utf8"));
		assert.deepEqual(ports, [{ name: "http", port: 8080, protocol: "TCP" }]);
		assert.deepEqual(
			endpoints.map((one: { conditions: object }) => one.conditions),
			Array.from({ length: 2 }, () => ({ ready: true, serving: true, terminating: false })),
		);
	});

	it("rolls a new template out without being fewer than wanted, and scales", async () => {
		let fewest = Number.POSITIVE_INFINITY;
		let rolling = true;
		const watching = (async () => {
			while (rolling) {
				const serving = (await httpbins()).filter(
					(pod) => pod.readySinceMs !== undefined && pod.deletedMs === undefined,
				);
				fewest = Math.min(fewest, serving.length);
				await sleep(5);
			}
		})();
		assert.equal((await lab.apply(shop("v2", 2))).ok, true);
		for (;;) {
			const pods = await httpbins();
			if (pods.length === 2 && pods.every((pod) => pod.labels.version === "v2")) break;
			await sleep(20);
		}
		assert.deepEqual(await lab.untilRolledOut(15_000), []);
		rolling = false;
		await watching;
		assert.equal(fewest, 2);
		await lab.apply(shop("v2", 1));
		const untilMs = performance.now() + 10_000;
		while ((await httpbins()).length !== 1 && performance.now() < untilMs) await sleep(20);
		assert.equal((await httpbins()).length, 1);
	});

	it("starts a crashed container again and counts it", async () => {
		const [pod] = await httpbins();
		assert.ok(pod);
		await lab.signalPod("default", pod.name, "SIGKILL");
		const untilMs = performance.now() + 10_000;
		for (;;) {
			const [now] = await httpbins();
			if (now?.containers[0]?.restarts === 1 && now.containers[0].ready) break;
			assert.ok(performance.now() < untilMs, JSON.stringify(now?.containers));
			await sleep(10);
		}
	});

	it("says which line is missing for an unknown image, and waits for a missing ServiceAccount", async () => {
		const pod = (name: string, more: string): string =>
			`apiVersion: v1\nkind: Pod\nmetadata: { name: ${name} }\nspec:\n  containers: [{ name: c, image: "example.com/cart:7" }]\n${more}`;
		await lab.apply(pod("cart", ""));
		await lab.apply(pod("nobody", "  serviceAccountName: ghost\n"));
		const untilMs = performance.now() + 5000;
		for (;;) {
			const because = (await lab.pods()).find((one) => one.name === "cart")?.containers[0]?.because ?? "";
			const events = (await lab.events()).map((event) => event.what);
			const toldOfImage = /ImagePullBackOff: .*lab.yaml: .*match: "example.com\/cart\*"/.test(because);
			if (toldOfImage && events.includes("serviceaccount default/ghost not found")) break;
			assert.ok(performance.now() < untilMs, `${because}\n${events.join("\n")}`);
			await sleep(20);
		}
	});

	it("refuses a file with an error as a whole", async () => {
		const outcome = await lab.apply(
			"apiVersion: v1\nkind: Service\nmetadata: { name: bad }\nspec: { ports: [{ port: 99999 }] }\n",
		);
		assert.equal(outcome.ok, false);
		assert.equal(
			readdirSync(join(state(), "resources")).some((file) => file.includes("bad")),
			false,
		);
	});

	it("forwards a port of this machine, the next free one when it is taken", async () => {
		const [pod] = await httpbins();
		const forwards = await Promise.all([
			lab.forward("one", 28_000, "httpbin:8080"),
			lab.forward("two", 28_000, "httpbin:8080"),
		]);
		assert.equal(new Set(forwards.map(({ port }) => port)).size, 2);
		for (const { port } of forwards) {
			const answer = (await (await fetch(`http://127.0.0.1:${port}/get`)).json()) as { readonly pod: string };
			assert.equal(answer.pod, pod?.name);
		}
	});

	it("refuses a second lab of the same name", async () => {
		await assert.rejects(startLab({ name, mesh: false, state: join(directory, "other") }), /already up/);
	});

	it("leaves nothing behind after kill -9 of all its processes, and comes up again over the remains", async () => {
		const record = readLabRecord(name);
		assert.ok(record);
		for (;;) {
			const all = [...processesOfLab(record.id), ...processesInNamespaces(namespacesOf(name).map(netnsPath))];
			// A process that is dying loses its environment, by which it is found, before it is gone.
			if (all.length === 0 && !daemonRuns(record)) break;
			for (const one of all) signalProcess(one, "SIGKILL");
			await sleep(5);
		}
		assert.notEqual(namespacesOf(name).length, 0);
		lab = await startLab({ name, mesh: false, nodes: 1, state: state() });
		const { id } = readLabRecord(name) ?? record;
		writeFileSync(join(directory, "bystander"), "");
		await lab.down();
		assert.deepEqual(traces(name, id), {
			namespaces: [],
			inNamespaces: [],
			processes: [],
			mounts: [],
			run: false,
		});
		assert.deepEqual(machine(), machineBefore);
		assert.deepEqual(processesOfLab(record.id), []);
		assert.deepEqual(readdirSync(directory).sort(), ["bystander", "resources"]);
		assert.equal(await labDown(name), false);
	});
});
