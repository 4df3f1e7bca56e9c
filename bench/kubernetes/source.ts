// The API server as the source: how long a control plane takes to be ready with 1,000 Services and 5,000 endpoints, what memory it
// takes, and how long a changed endpoint takes from its watch event to a real Envoy that uses it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endpointSlices } from "../../src/kubernetes/client/api-resources.ts";
import { pathOf } from "../../src/kubernetes/client/resource-path.ts";
import { watchResource } from "../../src/kubernetes/client/watch-resource.ts";
import { istioCrds } from "../../src/kubernetes/crds/istio-crds.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { customKinds } from "../../src/sources/kubernetes/watched-kinds.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { type BenchCluster, openBenchCluster } from "./bench-cluster.ts";
import { gatewayPort, serverPorts, startGateway } from "./source-gateway.ts";
import { benchNamespace, create, createService, createServices, removeAll, setPort } from "./source-objects.ts";

const services = 1_000;
const endpointsOfService = 5;
const starts = 5;
const changes = 60;
const apiPort = 15_914;

export async function benchSource(): Promise<readonly BenchRow[]> {
	const cluster = await openBenchCluster();
	try {
		console.error(`${services} Services with ${endpointsOfService} endpoints each are being made`);
		await prepare(cluster);
		const readyMs: number[] = [];
		const residentMb: number[] = [];
		const peakMb: number[] = [];
		const cpuMs: number[] = [];
		for (let start = 0; start < starts; start++) {
			const control = await startControl(cluster);
			readyMs.push(control.readyMs);
			cpuMs.push(control.cpuMs);
			await sleep(2_000);
			residentMb.push(memoryOf(control.process, "VmRSS"));
			peakMb.push(memoryOf(control.process, "VmHWM"));
			await control.close();
		}
		const { afterEventMs, afterWriteMs } = await changeEndpoints(cluster);
		return [
			{ what: "start of the process -> ready", unit: "ms", spread: spreadOf(readyMs), target: "max <= 5000" },
			{ what: "  processor time until then", unit: "ms", spread: spreadOf(cpuMs) },
			{ what: "memory 2 s later", unit: "MB", spread: spreadOf(residentMb), target: "max <= 300" },
			{ what: "  most until then", unit: "MB", spread: spreadOf(peakMb) },
			{
				what: "watch event of a changed endpoint -> Envoy's first request to it",
				unit: "ms",
				spread: spreadOf(afterEventMs),
				target: "max <= 100",
			},
			{ what: "  from the write at the API server", unit: "ms", spread: spreadOf(afterWriteMs) },
		];
	} finally {
		await removeAll(cluster.client).catch(() => {});
		await cluster.close();
	}
}

async function prepare({ address, client }: BenchCluster): Promise<void> {
	for (const definition of istioCrds()) await create(client, pathOf(customKinds), definition);
	await createServices(client, services, endpointsOfService);
	await createService(client, "target", [address], serverPorts[0]);
	const networking = (plural: string) => `/apis/networking.istio.io/v1/namespaces/${benchNamespace}/${plural}`;
	await eventually(() =>
		create(client, networking("gateways"), {
			apiVersion: "networking.istio.io/v1",
			kind: "Gateway",
			metadata: { name: "edge" },
			spec: {
				selector: { app: "edge" },
				servers: [{ port: { number: gatewayPort, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
			},
		}),
	);
	await eventually(() =>
		create(client, networking("virtualservices"), {
			apiVersion: "networking.istio.io/v1",
			kind: "VirtualService",
			metadata: { name: "edge" },
			spec: { hosts: ["*"], gateways: ["edge"], http: [{ route: [{ destination: { host: "target" } }] }] },
		}),
	);
}

/** New kinds are served a moment after they are made. */
async function eventually(run: () => Promise<void>): Promise<void> {
	for (let attempt = 0; ; attempt++) {
		try {
			await run();
			return;
		} catch (error) {
			if (attempt > 50) throw error;
			await sleep(200);
		}
	}
}

interface MeasuredControl {
	readonly process: ChildProcess;
	readonly directory: string;
	readonly readyMs: number;
	/** Until it was ready; on a busy machine a better measure than the time. */
	readonly cpuMs: number;
	close(): Promise<void>;
}

async function startControl({ kubeconfig, networkNamespace }: BenchCluster): Promise<MeasuredControl> {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-source-"));
	const root = join(import.meta.dirname, "../..");
	const startedMs = performance.now();
	const control = spawn(
		"nsenter",
		[
			...[`--net=${networkNamespace}`, join(root, ".keepmesh/node"), "--no-warnings", join(root, "bin/keepmesh.ts")],
			...["control", "--kubernetes", "--kubeconfig", kubeconfig, "--system-namespace", benchNamespace],
			...["--xds-socket", join(directory, "xds.sock"), "--api", `127.0.0.1:${apiPort}`, "--log-level", "warn"],
		],
		{ stdio: "inherit" },
	);
	const ended = new Promise<void>((resolve) => control.once("exit", () => resolve()));
	while (!(await isReady(networkNamespace))) {
		if (control.exitCode !== null) throw new Error("the control plane did not start");
		await sleep(10);
	}
	return {
		process: control,
		directory,
		readyMs: performance.now() - startedMs,
		cpuMs: cpuTimeOf(control),
		close: async () => {
			control.kill("SIGTERM");
			await ended;
			rmSync(directory, { recursive: true, force: true });
		},
	};
}

async function isReady(networkNamespace: string): Promise<boolean> {
	const socket = await connectInNamespace(networkNamespace, { host: "127.0.0.1", port: apiPort }, 1_000).catch(
		() => {},
	);
	if (!socket) return false;
	return await new Promise((resolve) => {
		const asked = request({ path: "/readyz", host: "127.0.0.1", createConnection: () => socket }, (response) => {
			response.resume();
			resolve(response.statusCode === 200);
		});
		asked.on("error", () => resolve(false));
		asked.end();
	});
}

/** User and system, in clock ticks of 10 ms (proc_pid_stat(5)). */
function cpuTimeOf({ pid }: ChildProcess): number {
	const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
		.replace(/^.*\) /, "")
		.split(" ");
	return (Number(fields[11]) + Number(fields[12])) * 10;
}

function memoryOf({ pid }: ChildProcess, field: "VmRSS" | "VmHWM"): number {
	const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
	return Number(kilobytes) / 1024;
}

async function changeEndpoints(cluster: BenchCluster) {
	const { address, client, networkNamespace } = cluster;
	const control = await startControl(cluster);
	const gateway = startGateway(control.directory, networkNamespace, address);
	let seen: (() => void) | undefined;
	const watch = watchResource(
		client,
		{ resource: endpointSlices, namespace: benchNamespace, fieldSelector: "metadata.name=target-1", keep: () => true },
		{ clock: realClock, log: silentLog, onEvent: ({ type }) => (type === "applied" ? seen?.() : undefined) },
	);
	const afterEventMs: number[] = [];
	const afterWriteMs: number[] = [];
	try {
		await gateway.answers(serverPorts[0], 30_000);
		for (let change = 1; change <= changes; change++) {
			await sleep(150 + ((change * 37) % 100));
			const port = serverPorts[change % 2 === 0 ? 0 : 1];
			const told = new Promise<number>((resolve) => {
				seen = () => resolve(performance.now());
			});
			const writtenMs = performance.now();
			const [, eventMs, answeredMs] = await Promise.all([
				setPort(client, "target", port),
				told,
				gateway.answers(port, 10_000),
			]);
			afterEventMs.push(Math.max(0, answeredMs - eventMs));
			afterWriteMs.push(answeredMs - writtenMs);
		}
		return { afterEventMs, afterWriteMs };
	} finally {
		watch.close();
		gateway.close();
		await control.close();
	}
}
