// How long a pod waits for its proxy: from POST /v1/pods to the answer "ready", one by one and many at once. Real Envoys in
// real namespaces; the control plane is the tests' fake one, so that only the node's own work is measured. Then the same with
// a real control plane and mutual TLS only: from the moment that a pod is placed until a client in the mesh has its answer,
// with an application that runs already.

import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serviceIp, startMutualTlsMesh } from "../src/app/mutual-tls-mesh.testing.ts";
import { startNode } from "../src/app/node.ts";
import { createFakeControl } from "../src/node/fake-control.testing.ts";
import { cannotRun, createRig, envoyBinary, type Host } from "../src/node/namespace-rig.testing.ts";
import { nodePaths } from "../src/node/plan/pod-paths.ts";
import { silentLog } from "../src/runtime/log.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";

const sequential = 20;
const parallel = 8;

if (cannotRun) {
	console.error(`pod-start: ${cannotRun}; run it as root`);
	process.exit(69);
}
const rows: BenchRow[] = [];
const rig = createRig();
const control = createFakeControl();
try {
	const port = await control.listen();
	const state = join(rig.directory, "s");
	const node = await startNode(
		{
			name: "bench",
			state,
			control: [{ host: "127.0.0.1", port }],
			envoy: envoyBinary,
			security: { mode: "plaintext" },
		},
		{ log: silentLog },
	);
	const hosts = Array.from({ length: parallel }, (_, i) => rig.addHost(`p${i}`, `10.77.0.${i + 10}`));
	const post = (host: Host, uid: string) =>
		call(nodePaths(state).apiSocket, "POST", "/v1/pods", {
			name: uid,
			uid,
			ip: host.ip,
			netns: host.netns,
			concurrency: 2,
		});
	const remove = (uid: string) => call(nodePaths(state).apiSocket, "DELETE", `/v1/pods/${uid}?graceSeconds=0`);
	const times = async (work: () => Promise<number>, count: number): Promise<readonly number[]> => {
		const all: number[] = [];
		for (let i = 0; i < count; i++) all.push(await work());
		return all;
	};
	const one = async (host: Host, uid: string): Promise<number> => {
		const startedMs = performance.now();
		const status = await post(host, uid);
		if (status !== 201) throw new Error(`status ${status}`);
		return performance.now() - startedMs;
	};
	const first = hosts[0];
	if (!first) throw new Error("no host");
	const alone = await times(async () => {
		const ms = await one(first, "alone");
		await remove("alone");
		return ms;
	}, sequential);
	const together = await Promise.all(hosts.map((host, i) => one(host, `many-${i}`)));
	rows.push({ what: "POST /v1/pods to ready, one by one", unit: "ms", spread: spreadOf(alone) });
	rows.push({ what: `POST /v1/pods to ready, ${parallel} at once`, unit: "ms", spread: spreadOf(together) });
	await node.close({ stopProxies: true, graceMs: 0 });
	rows.push(...(await firstRequests()));
} finally {
	control.close();
	rig.close();
}
reportBench("pod-start", rows);

/** Each pod is the service's only one, so that the answer can come from no other. */
async function firstRequests(): Promise<readonly BenchRow[]> {
	const mesh = await startMutualTlsMesh(rig);
	const state = join(rig.directory, "m");
	const token = mesh.newToken("n1");
	const node = await startNode(
		{
			name: "n1",
			state,
			control: [{ host: "127.0.0.1", port: mesh.port }],
			envoy: envoyBinary,
			security: { mode: "mutualTls", readToken: () => token, tokenPlace: "this benchmark" },
		},
		{ log: silentLog },
	);
	const { apiSocket } = nodePaths(state);
	const add = async (host: Host, name: string, app: string): Promise<void> => {
		mesh.placePod(host, name, app);
		const pod = { name, uid: name, ip: host.ip, netns: host.netns, labels: { app }, serviceAccount: app };
		const status = await call(apiSocket, "POST", "/v1/pods", { ...pod, concurrency: 2 });
		if (status !== 201) throw new Error(`status ${status}`);
	};
	const client = rig.addHost("c", "10.77.0.2");
	const server = rig.addHost("s", "10.77.0.3");
	await server.run({ op: "serveHttp", port: 8080, name: "server" });
	await add(client, "client", "client");
	const ready: number[] = [];
	const answered: number[] = [];
	for (let i = 0; i < sequential; i++) {
		const startedMs = performance.now();
		await add(server, `web-${i}`, "web");
		ready.push(performance.now() - startedMs);
		mesh.serve([server]);
		const request = { op: "http", host: serviceIp, port: 80 };
		while ((await client.run<{ status?: number }>(request)).status !== 200) await sleep(2);
		answered.push(performance.now() - startedMs);
		mesh.serve([]);
		mesh.removePod(`web-${i}`);
		await call(apiSocket, "DELETE", `/v1/pods/web-${i}?graceSeconds=0`);
		while ((await client.run<{ status?: number }>(request)).status === 200) await sleep(2);
	}
	await node.close({ stopProxies: true, graceMs: 0 });
	await mesh.close();
	return [
		{ what: "pod placed to proxy ready, with its certificate", unit: "ms", spread: spreadOf(ready) },
		{ what: "pod placed to first answer over mutual TLS", unit: "ms", spread: spreadOf(answered), target: "<= 300" },
	];
}

function call(socketPath: string, method: string, path: string, body?: unknown): Promise<number> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
			response.resume().on("end", () => resolve(response.statusCode ?? 0));
		});
		outgoing.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
	});
}
