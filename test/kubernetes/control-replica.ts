// A replica of the control plane for tests of a real cluster: `keepmesh control --kubernetes` as a process of this machine in the
// network namespace of one of the cluster's machines, where API servers and other replicas reach it.

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { checkout, kubeconfigPath, namespacePath, nodeProgram } from "../../cluster/cluster-paths.ts";
import type { MachineShape } from "../../cluster/plan/cluster-shape.ts";
import { requestInNamespace } from "../../src/app/demo/namespace-request.ts";
import { type TestCluster, until } from "./test-cluster.ts";

const xdsPort = 15_012;
const apiPort = 15_014;
const webhookPort = 15_017;

export interface ControlReplica {
	readonly pod: string;
	/** Proxies are served here. */
	readonly socket: string;
	/** Where the cluster reaches it. */
	readonly ip: string;
	/** Status and text of a GET. */
	get(path: string): Promise<{ readonly status: number; readonly text: string }>;
	/** Of its /metrics: `name{label="x"}` or `name`; 0 when it is not there. */
	metric(name: string): Promise<number>;
	/** What it has said since its start. */
	log(): string;
	/** What it leaves on its disk to the process after it; empty: nothing. */
	keptText(): string;
	/** Gives it the time to hand over; `now` does not. */
	stop(now?: "now"): Promise<void>;
}

/** Resolves when it is ready. Its files, and its log, are in `directory`. */
export async function startControlReplica(
	cluster: TestCluster,
	machine: MachineShape,
	pod: string,
	directory: string,
): Promise<ControlReplica> {
	const own = join(directory, pod);
	mkdirSync(own, { recursive: true });
	const socket = join(own, "xds.sock");
	const place = ["--net", namespacePath(machine)].join("=");
	const flags = [
		...["--kubernetes", "--kubeconfig", kubeconfigPath(cluster.record.size.name, cluster.shape)],
		...["--system-namespace", cluster.namespace, "--pod", pod, "--id", pod, "--data", join(own, "data")],
		...["--xds-socket", socket, "--api", `0.0.0.0:${apiPort}`],
		...["--xds", `${machine.ip}:${xdsPort}`, "--advertise", `${machine.ip}:${xdsPort}`],
	];
	const args = [place, "--", nodeProgram, "--no-warnings", join(checkout, "bin/keepmesh.ts"), "control", ...flags];
	const child = spawn("nsenter", args, { stdio: ["ignore", "ignore", "pipe"] });
	child.stderr.pipe(createWriteStream(join(own, "log")));
	const get = (path: string): Promise<{ readonly status: number; readonly text: string }> => askReplica(machine, path);
	const replica: ControlReplica = {
		pod,
		socket,
		ip: machine.ip,
		get,
		metric: async (name) => {
			const { text } = await get("/metrics");
			const line = text.split("\n").find((one) => one.startsWith(`${name} `));
			return line === undefined ? 0 : Number(line.slice(name.length + 1));
		},
		log: () => readFileSync(join(own, "log"), "utf8"),
		keptText: () => {
			const path = join(own, "data/source.gz");
			return existsSync(path) ? gunzipSync(readFileSync(path)).toString("utf8") : "";
		},
		stop: (now) => end(child, now === "now" ? "SIGKILL" : "SIGTERM"),
	};
	try {
		await until(`${pod} is ready`, async () => {
			if (child.exitCode !== null) throw new Error(`${pod} ended with ${child.exitCode}`);
			return (await get("/readyz").catch(() => ({ status: 0 }))).status === 200;
		});
	} catch (error) {
		await replica.stop("now");
		throw error;
	}
	return replica;
}

/** A Service and the EndpointSlice of the replicas, as if they were Pods of it. */
export function serviceOfReplicas(replicas: readonly Pick<ControlReplica, "pod" | "ip">[]): readonly object[] {
	const ports = [
		{ name: "grpc-xds", port: xdsPort },
		{ name: "http-monitoring", port: apiPort },
		{ name: "https-webhooks", port: webhookPort },
	];
	return [
		{
			apiVersion: "v1",
			kind: "Service",
			metadata: { name: "keepmesh-control" },
			spec: {
				ports: ports.map(({ name, port }) => ({ name, port: port === webhookPort ? 443 : port, targetPort: port })),
			},
		},
		{
			apiVersion: "discovery.k8s.io/v1",
			kind: "EndpointSlice",
			metadata: { name: "keepmesh-control-1", labels: { "kubernetes.io/service-name": "keepmesh-control" } },
			addressType: "IPv4",
			ports,
			endpoints: replicas.map(({ ip, pod }) => ({
				addresses: [ip],
				conditions: { ready: true },
				targetRef: { kind: "Pod", name: pod },
			})),
		},
	];
}

/** Who asks from elsewhere than the machine itself is told of health and metrics only. */
export function askReplica(
	machine: MachineShape,
	path: string,
): Promise<{ readonly status: number; readonly text: string }> {
	return requestInNamespace({ netns: machine.id, host: "127.0.0.1", port: apiPort }, path);
}

function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
	return new Promise((resolve) => {
		const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
		child.once("exit", () => {
			clearTimeout(timer);
			resolve();
		});
		child.kill(signal);
	});
}
