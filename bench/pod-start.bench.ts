// How long a pod waits for its proxy: from POST /v1/pods to the answer "ready", one by one and many at once. Real Envoys in
// real namespaces; the control plane is the tests' fake one, so that only the node's own work is measured.

import { request } from "node:http";
import { join } from "node:path";
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
} finally {
	control.close();
	rig.close();
}
reportBench("pod-start", rows);

function call(socketPath: string, method: string, path: string, body?: unknown): Promise<number> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
			response.resume().on("end", () => resolve(response.statusCode ?? 0));
		});
		outgoing.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
	});
}
