// The control planes of a cluster, each asked through `kubectl port-forward` to its Pod: who may do that, Kubernetes decides. In: which
// cluster and namespace. Out: the replicas; a forward is opened when its replica is asked first, and ends with this process.

import { type ChildProcess, spawn } from "node:child_process";
import { controlLabel, defaultNamespace } from "../../install/release-names.ts";
import { TransportError } from "../../kubernetes/client/kubernetes-client.ts";
import type { HttpAnswer, HttpCall } from "../demo/namespace-request.ts";
import { type ClusterFlags, type FoundCluster, findCluster } from "../install/find-cluster.ts";
import { listAt, type Named } from "../install/read-objects.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { ControlPlanes, Replica } from "./find-control-planes.ts";

export interface KubernetesPlace extends ClusterFlags {
	/** Of the control planes. Default keepmesh-system. */
	readonly systemNamespace?: string;
}

const apiPort = 15_014;
const forwardWithinMs = 10_000;
const answerWithinMs = 30_000;

interface ControlPod extends Named {
	readonly status?: { readonly phase?: string };
}

export async function controlPlanesOnKubernetes(place: KubernetesPlace): Promise<ControlPlanes> {
	const namespace = place.systemNamespace ?? defaultNamespace;
	const cluster = findCluster(place);
	try {
		const pods = await listAt<ControlPod>(cluster.client, `/api/v1/namespaces/${namespace}/pods`, controlLabel);
		const running = pods.filter(({ status }) => status?.phase === "Running");
		if (running.length === 0)
			throw new CliError(
				exitCodes.unavailable,
				`no control plane runs in namespace ${namespace} of ${cluster.client.server}`,
				"keepmesh check --kubernetes",
			);
		const because = `namespace ${namespace} of ${cluster.client.server}`;
		return { because, replicas: running.map(({ metadata }) => replicaOf(metadata.name, namespace, cluster)) };
	} catch (error) {
		if (!(error instanceof TransportError)) throw error;
		throw new CliError(exitCodes.unavailable, `the API server does not answer: ${error.message}`, "kubectl version");
	} finally {
		cluster.client.close();
	}
}

function replicaOf(name: string, namespace: string, cluster: FoundCluster): Replica {
	let port: Promise<number> | undefined;
	return {
		name,
		ask: async (path, call) => {
			port ??= forward(name, namespace, cluster);
			return await askAt(await port, path, call);
		},
	};
}

async function askAt(port: number, path: string, call: HttpCall): Promise<HttpAnswer> {
	const { body, method = "GET", timeoutMs = answerWithinMs } = call;
	const response = await fetch(`http://127.0.0.1:${port}${path}`, {
		method,
		...(body === undefined ? {} : { body, headers: { "content-type": "application/yaml" } }),
		signal: AbortSignal.timeout(timeoutMs),
	});
	return { status: response.status, text: await response.text() };
}

/** The port of this machine. */
function forward(pod: string, namespace: string, { kubectlFlags }: FoundCluster): Promise<number> {
	const args = [...kubectlFlags, "--namespace", namespace, "port-forward", `pod/${pod}`, `:${apiPort}`];
	const child = spawn(process.env.KEEPMESH_KUBECTL ?? "kubectl", [...args, "--address", "127.0.0.1"], {
		stdio: ["ignore", "pipe", "pipe"],
	});
	endWithThisProcess(child);
	return new Promise((resolve, reject) => {
		let said = "";
		const fail = (because: string): void => {
			child.kill();
			reject(new Error(because));
		};
		const late = setTimeout(() => fail("kubectl port-forward is not ready in time"), forwardWithinMs);
		child.stdout?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
			const [, port] = /127\.0\.0\.1:(\d+) ->/.exec(said) ?? [];
			if (port === undefined) return;
			clearTimeout(late);
			resolve(Number(port));
		});
		child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		child.once("error", () => fail("kubectl is not installed"));
		child.once("exit", () => {
			clearTimeout(late);
			fail(said.trim().split("\n").at(-1) || "kubectl port-forward ended");
		});
	});
}

const forwards = new Set<ChildProcess>();

/** It keeps nobody waiting, and nothing of it stays. */
function endWithThisProcess(child: ChildProcess): void {
	if (forwards.size === 0) process.once("exit", () => forwards.forEach((one) => void one.kill()));
	forwards.add(child);
	child.unref();
	for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref?: () => void } | null)?.unref?.();
}
