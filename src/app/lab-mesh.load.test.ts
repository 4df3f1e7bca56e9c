// A whole mesh in a lab: real control planes, node agents and Envoys under Bookinfo's own files. Needs root and Envoy.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Lab } from "../lab/lab.ts";
import { labDown, processesOfLab } from "../lab/lab-down.ts";
import { readLabRecord, runDirectory } from "../lab/lab-record.ts";
import { processesInNamespaces } from "../lab/namespace-processes.ts";
import { connectInNamespace } from "../lab/namespace-socket.ts";
import { namespacesOf, netnsPath } from "../lab/network.ts";
import { signalProcess } from "../node/process-table.ts";
import { labPrograms, startLab } from "./lab.ts";

const inputs = fileURLToPath(new URL("../../../shared/inputs/istio/", import.meta.url));
const sender = fileURLToPath(new URL("../lab/load/http-sender.ts", import.meta.url));
const because =
	process.getuid?.() !== 0
		? "needs root"
		: !existsSync(labPrograms().envoy)
			? "needs Envoy"
			: !existsSync(inputs) && "needs Bookinfo's files";

interface Report {
	readonly sent: number;
	readonly byOutcome: Readonly<Record<string, number>>;
	readonly latencyMs: { readonly max: number };
}

describe("a mesh in a lab", { skip: because }, () => {
	const name = `m${process.pid % 1_000_000}`;
	let directory = "";
	let lab: Lab;
	const apply = async (text: string): Promise<void> => {
		const outcome = await lab.apply(text);
		assert.ok(outcome.ok, JSON.stringify(outcome.problems));
		assert.deepEqual(await lab.untilRolledOut(40_000), []);
	};
	const bookinfo = (): string => readFileSync(join(inputs, "bookinfo-kube/bookinfo.yaml"), "utf8");
	const podsOf = async (app: string) =>
		(await lab.pods()).filter((pod) => pod.labels.app === app && pod.deletedMs === undefined);
	const send = async (load: object): Promise<Report> => {
		const [gateway] = await podsOf("istio-ingressgateway");
		const request = { host: gateway?.address, port: 8080, path: "/productpage", concurrency: 2, ...load };
		const { code, stdout, stderr } = await lab.execIn("client", [
			process.execPath,
			"--no-warnings",
			sender,
			JSON.stringify(request),
		]);
		assert.equal(code, 0, stderr);
		return JSON.parse(stdout) as Report;
	};
	const untilServed = async (): Promise<void> => {
		const untilMs = performance.now() + 20_000;
		while ((await send({ requests: 1 })).byOutcome["200"] !== 1) {
			assert.ok(performance.now() < untilMs, "the gateway does not serve");
			await sleep(50);
		}
	};

	before(async () => {
		directory = mkdtempSync(join(tmpdir(), "km-mesh-"));
		lab = await startLab({ name, state: join(directory, "state") });
	});
	after(async () => {
		await labDown(name);
		rmSync(directory, { recursive: true, force: true });
	});

	it("runs Bookinfo's files as they are, each pod behind an Envoy, and serves its page at the gateway", async () => {
		await apply(bookinfo());
		await apply(readFileSync(join(inputs, "bookinfo-networking/bookinfo-gateway.yaml"), "utf8"));
		await untilServed();
		const pods = await lab.pods();
		assert.equal(pods.length, 7);
		assert.ok(pods.every((pod) => pod.proxy === "ready"));
	});

	it("answers names of services to a pod and carries its calls through its Envoy", async () => {
		const [pod] = await podsOf("productpage");
		const url = "http://details.default.svc.cluster.local:9080/details/0";
		const { stdout } = await lab.execIn(pod?.name ?? "", ["curl", "-si", "--max-time", "5", url]);
		assert.match(stdout, /^HTTP\/1.1 200 OK/);
		assert.match(stdout, /x-envoy-upstream-service-time/);
	});

	it("lets the same port of a pod without a proxy be reached, and gives that pod no Envoy", async () => {
		await apply(`apiVersion: v1
kind: Pod
metadata: { name: plain, labels: { app: plain, sidecar.istio.io/inject: "false" } }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: httpbin, image: docker.io/mccutchen/go-httpbin:v2, ports: [{ containerPort: 8080 }] }]
`);
		const untilMs = performance.now() + 10_000;
		while ((await podsOf("plain"))[0]?.readySinceMs === undefined && performance.now() < untilMs) await sleep(20);
		const [plain] = await podsOf("plain");
		assert.equal(plain?.proxy, "none");
		const { stdout } = await lab.execIn("client", ["curl", "-s", `http://${plain?.address}:8080/headers`]);
		assert.doesNotMatch(stdout, /x-envoy/i);
	});

	it("lets a pod without a proxy reach Services by their names, through the kernel of its node", async () => {
		for (const [service, path] of [
			["details", "/details/0"],
			["ratings", "/ratings/0"],
			["productpage", "/health"],
		] as const) {
			const url = `http://${service}.default.svc.cluster.local:9080${path}`;
			const { stdout } = await lab.execIn("plain", ["curl", "-si", "--max-time", "5", url]);
			assert.match(stdout, /^HTTP\/1.1 200 OK/, service);
		}
	});

	it("loses no request, and lets none wait, while every Deployment is rolled at once", async () => {
		const running = send({ requests: 360, concurrency: 40, ratePerSecond: 60 });
		await sleep(500);
		await apply(bookinfo().replaceAll(/(\n {6}labels:\n)/g, "$1        rev: two\n"));
		assert.ok((await podsOf("reviews")).every((pod) => pod.labels.rev === "two"));
		const report = await running;
		assert.deepEqual([report.sent, report.byOutcome], [360, { "200": 360 }]);
		assert.ok(report.latencyMs.max < 2000, `the slowest took ${report.latencyMs.max} ms`);
	});

	it("forwards the gateway and the API to this machine", async () => {
		const { forwards = {} } = readLabRecord(name) ?? {};
		assert.equal((await fetch(`http://127.0.0.1:${forwards.gateway}/productpage`)).status, 200);
		assert.equal((await fetch(`http://127.0.0.1:${forwards.api}/api/v1/status`)).status, 200);
	});

	it("has no plaintext port for configuration: nodes and control planes talk mutual TLS on 15012", async () => {
		const { client, controls } = await lab.status();
		const open = (port: number) =>
			connectInNamespace(netnsPath(client.netns), { host: controls[0]?.address ?? "", port }, 1000).then(
				(socket) => {
					socket.destroy();
					return true;
				},
				() => false,
			);
		assert.deepEqual([await open(15_012), await open(15_010)], [true, false]);
	});

	it("starts a killed control plane and a killed node agent again, and serves meanwhile", async () => {
		const running = send({ requests: 120, concurrency: 20, ratePerSecond: 60 });
		assert.ok(await lab.signalProcess("control-1", "SIGKILL"));
		assert.ok(await lab.signalProcess("node-1", "SIGKILL"));
		assert.deepEqual((await running).byOutcome, { "200": 120 });
		const untilMs = performance.now() + 10_000;
		for (;;) {
			const restarted = (await lab.status()).processes.filter((one) => one.restarts === 1 && one.pid !== undefined);
			if (restarted.length === 2) break;
			assert.ok(performance.now() < untilMs, JSON.stringify(restarted));
			await sleep(20);
		}
	});

	it("is gone after kill -9 of everything and down", async () => {
		const record = readLabRecord(name);
		assert.ok(record);
		const everything = () => [
			...processesOfLab(record.id),
			...processesInNamespaces(namespacesOf(name).map(netnsPath)),
		];
		assert.ok(everything().length > 20);
		while (everything().length > 0) {
			for (const one of everything()) signalProcess(one, "SIGKILL");
			await sleep(5);
		}
		await labDown(name);
		assert.deepEqual(
			[namespacesOf(name), processesOfLab(record.id), existsSync(runDirectory(name)), existsSync(record.state)],
			[[], [], false, false],
		);
	});
});
