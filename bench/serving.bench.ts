// How soon callers are told when no proxy serves a pod: from the node's stamp of the switch, made after the kernel was set, to
// the moment when the caller's Envoy says that it has its new endpoints (asked every 2 ms, so a few of the milliseconds are the
// question's). Real Envoys in namespaces, control plane and node in processes of their own, mutual TLS PERMISSIVE, a request on
// a new connection each 5 ms; and what these lose.

import { setTimeout as sleep } from "node:timers/promises";
import { createServingMesh, serviceIp } from "../src/app/serving-mesh.testing.ts";
import { cannotRun, type Host } from "../src/node/namespace-rig.testing.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";

const runs = Number(process.env.KEEPMESH_RUNS ?? 20);

interface Load {
	readonly failedAtMs: readonly number[];
}

if (cannotRun) {
	console.error(`serving: ${cannotRun}; run it as root`);
	process.exit(69);
}
const rows: BenchRow[] = [];
const mesh = await createServingMesh();
try {
	await mesh.startControl();
	await mesh.startNode();
	const client = mesh.rig.addHost("client", "10.77.0.2");
	const caller = await mesh.addPod(client, "client", "client");
	const webs = [1, 2, 3].map((n) => mesh.rig.addHost(`web${n}`, `10.77.0.${n + 2}`)) as [Host, Host, Host];
	const [first] = webs;
	const policy = (steps: readonly string[]): Promise<number> => {
		mesh.write("hot-switch.json", {
			apiVersion: "keepmesh.io/v1alpha1",
			kind: "HotSwitch",
			metadata: { name: "mesh", namespace: "istio-system" },
			spec: { steps, flap: { count: 1_000 } },
		});
		const isKnown = () => mesh.policies().every((one) => one.direct === steps.includes("direct") && !one.spare);
		return mesh.until("the policy is known", isKnown);
	};
	const isCalled = (how: string) => async () => (await mesh.calledAs(caller, first.ip)) === how;
	const switchedAtMs = async (step: string): Promise<number> =>
		(await mesh.events()).findLast(({ pod, to }) => pod === "web-1" && to === step)?.atMs ?? Number.NaN;
	const told = async (how: string, step: string): Promise<{ readonly atMs: number; readonly tookMs: number }> => {
		await mesh.until(how, isCalled(how));
		const atMs = Date.now();
		return { atMs, tookMs: atMs - (await switchedAtMs(step)) };
	};
	const row = (what: string, unit: string, values: readonly number[], target?: string): void => {
		rows.push({ what, unit, spread: spreadOf(values), ...(target && { target }) });
		console.error(`${what}: ${values.join(" ")}`);
	};

	for (const [n, host] of webs.entries()) await host.run({ op: "serveHttp", port: 8080, name: `web-${n + 1}` });
	await mesh.addPod(first, "web-1", "web");
	await policy(["direct"]);
	await mesh.until("mutual TLS", isCalled("mutual TLS"));
	const [off, on]: [number[], number[]] = [[], []];
	for (let run = 0; run < runs; run++) {
		await mesh.call("POST", "/v1/pods/web-1/bypass?by=bench&why=bench");
		off.push((await told("plaintext", "direct")).tookMs);
		await mesh.call("POST", "/v1/pods/web-1/restore?by=bench");
		on.push((await told("mutual TLS", "sidecar")).tookMs);
	}
	row("direct by hand: switch -> caller's Envoy", "ms", off, "<= 100");
	row("restored by hand: switch -> caller's Envoy", "ms", on);

	const breakIt = async (signal: NodeJS.Signals, how: string, step: string, what: string): Promise<void> => {
		const [fromSwitch, fromSignal, before, after]: [number[], number[], number[], number[]] = [[], [], [], []];
		for (let run = 0; run < runs; run++) {
			const sent = client.run<Load>({ op: "load", host: serviceIp, port: 80, durationMs: 2_200, intervalMs: 5 });
			await sleep(200);
			const { pid } = await mesh.pod("web-1");
			if (pid === undefined) throw new Error("web-1 has no proxy");
			const brokenAtMs = Date.now();
			process.kill(pid, signal);
			const { atMs, tookMs } = await told(how, step);
			fromSwitch.push(tookMs);
			fromSignal.push(atMs - brokenAtMs);
			await mesh.until("it is served by its sidecar again", isCalled("mutual TLS"));
			const { failedAtMs } = await sent;
			before.push(failedAtMs.filter((failedMs) => failedMs <= atMs).length);
			after.push(failedAtMs.filter((failedMs) => failedMs > atMs).length);
		}
		row(`${what}: switch -> caller's Envoy`, "ms", fromSwitch, "<= 100");
		row(`${what}: signal -> caller's Envoy`, "ms", fromSignal);
		row(`${what}: requests lost until then`, "", before);
		row(`${what}: requests lost afterwards`, "", after, "0");
	};
	await breakIt("SIGKILL", "plaintext", "direct", "killed, direct");
	await breakIt("SIGSTOP", "plaintext", "direct", "frozen, direct");
	await mesh.addPod(webs[1], "web-2", "web");
	await mesh.addPod(webs[2], "web-3", "web");
	await policy([]);
	await breakIt("SIGKILL", "not at all", "closed", "killed, closed, 2 others");
} finally {
	await mesh.close();
}
reportBench("serving", rows);
