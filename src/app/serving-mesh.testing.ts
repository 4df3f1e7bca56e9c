// A mesh in small for tests of what callers are told: control plane and node as processes of their own that can be killed and
// started again, pods in namespaces, resources written as a cluster would write them.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { decodeHotSwitchPolicy } from "../hotswitch/hot-switch-policy-codec.ts";
import type { SwitchRecord } from "../hotswitch/switch-record.ts";
import { openAuthority } from "../identity/authority/authority.ts";
import { JoinTokens } from "../identity/authority/join-tokens.ts";
import { type EnvoyAdmin, envoyAdmin } from "../node/envoy-admin.ts";
import { createRig, envoyBinary, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import type { PodStatus } from "../node/node-agent.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import type { ServingItem } from "./api/api-types.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
export const serviceIp = "10.96.0.10";
const cluster = "outbound|80||web.default.svc.cluster.local";

export interface ServingMesh {
	readonly rig: Rig;
	/** Of the control plane, on 127.0.0.1. */
	readonly apiPort: number;
	startControl(): Promise<void>;
	killControl(signal?: NodeJS.Signals): Promise<void>;
	startNode(): Promise<void>;
	killNode(signal?: NodeJS.Signals): Promise<void>;
	/** Writes a resource for the control plane, or removes it when it is undefined. */
	write(name: string, object: object | undefined): void;
	addPod(host: Host, name: string, app: string): Promise<PodStatus>;
	/** The node's API. */
	call<Body>(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: Body }>;
	pod(name: string): Promise<PodStatus>;
	events(): Promise<readonly SwitchRecord[]>;
	/** What the node was told that may be done for each pod. */
	policies(): readonly HotSwitchPolicy[];
	/** What the control plane has heard. */
	ask<Body>(path: string): Promise<Body>;
	serving(): Promise<readonly ServingItem[]>;
	/** How a pod's Envoy calls an address of the service at this moment. */
	calledAs(caller: PodStatus, address: string): Promise<"mutual TLS" | "plaintext" | "not at all" | "unknown">;
	until(what: string, is: () => Promise<boolean> | boolean, timeoutMs?: number): Promise<number>;
	close(): Promise<void>;
}

export async function createServingMesh(): Promise<ServingMesh> {
	const rig = createRig();
	const resources = join(rig.directory, "resources");
	const data = join(rig.directory, "data");
	const state = join(rig.directory, "s");
	const tokenFile = join(rig.directory, "token");
	mkdirSync(resources);
	const [xdsPort, apiPort] = [await freePort(), await freePort()];
	let control: ChildProcess | undefined;
	let node: ChildProcess | undefined;
	let said = "";
	const start = (...command: readonly string[]): ChildProcess => {
		const child = spawn(process.execPath, ["--no-warnings", program, ...command], {
			stdio: ["ignore", "ignore", "pipe"],
		});
		child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		return child;
	};
	const end = async (child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> => {
		if (!child || child.exitCode !== null || child.signalCode !== null) return;
		const ended = once(child, "exit");
		child.kill(signal);
		await ended;
	};
	const until = async (what: string, is: () => Promise<boolean> | boolean, timeoutMs = 90_000): Promise<number> => {
		const startMs = performance.now();
		while (!(await is())) {
			if (performance.now() - startMs > timeoutMs) throw new Error(`waited in vain: ${what}\n${said.slice(-4000)}`);
			await new Promise((resolve) => setTimeout(resolve, 2));
		}
		return performance.now() - startMs;
	};
	const call = <Body>(method: string, path: string, body?: unknown) =>
		answerOf<Body>({ socketPath: nodePaths(state).apiSocket, method, path }, body);
	const ask = async <Body>(path: string): Promise<Body> =>
		(await answerOf<Body>({ host: "127.0.0.1", port: apiPort, method: "GET", path })).body;
	const answers = (question: () => Promise<unknown>) => () =>
		question().then(
			() => true,
			() => false,
		);
	const mesh: ServingMesh = {
		rig,
		apiPort,
		startControl: async () => {
			const [xds, api] = [`127.0.0.1:${xdsPort}`, `127.0.0.1:${apiPort}`];
			const flags = ["--id", "control-1", "--data", data, "--xds", xds, "--api", api];
			control = start("control", "--resources", resources, ...flags);
			await until(
				"the control plane answers",
				answers(() => ask("/api/v1/status")),
			);
		},
		killControl: async (signal = "SIGKILL") => end(control, signal),
		startNode: async () => {
			if (!existsSync(tokenFile)) {
				const directory = join(data, "ca");
				const { rootHash } = openAuthority({ directory, trustDomain: "cluster.local", wallMs: Date.now });
				const ask = { node: "n1", ttlMs: 600_000, rootHash, nowMs: Date.now() };
				writeFileSync(tokenFile, new JoinTokens(directory).create(ask).text, { mode: 0o600 });
			}
			const flags = ["--node", "n1", "--state", state, "--envoy", envoyBinary, "--layer4", "off", "--hot-switch"];
			node = start("node", "--control", `127.0.0.1:${xdsPort}`, "--join-token-file", tokenFile, ...flags);
			await until(
				"the agent answers",
				answers(() => call("GET", "/v1/pods")),
			);
		},
		killNode: async (signal = "SIGKILL") => end(node, signal),
		write: (name, object) => {
			if (!object) return rmSync(join(resources, name));
			writeFileSync(join(rig.directory, name), JSON.stringify(object));
			renameSync(join(rig.directory, name), join(resources, name));
		},
		addPod: async (host, name, app) => {
			mesh.write(`pod-${name}.json`, {
				apiVersion: "v1",
				kind: "Pod",
				metadata: { name, namespace: "default", labels: { app, "security.istio.io/tlsMode": "istio" } },
				spec: { nodeName: "n1", serviceAccountName: app, containers: [] },
				status: { phase: "Running", podIP: host.ip, podIPs: [{ ip: host.ip }] },
			});
			const pod = { name, uid: name, ip: host.ip, netns: host.netns, labels: { app }, serviceAccount: app };
			const { body } = await call<PodStatus>("POST", "/v1/pods", { ...pod, concurrency: 1 });
			if (!body.ready) throw new Error(`${JSON.stringify(body)}\n${said.slice(-4000)}`);
			return body;
		},
		call,
		pod: async (name) => (await call<PodStatus>("GET", `/v1/pods/${name}`)).body,
		events: async () => (await call<{ readonly items: readonly SwitchRecord[] }>("GET", "/v1/events")).body.items,
		policies: () => {
			const directory = nodePaths(state).hotSwitchPolicies;
			const files = readdirSync(directory).filter((name) => name.endsWith(".json"));
			return files.flatMap((name) => decodeHotSwitchPolicy(readFileSync(join(directory, name))) ?? []);
		},
		ask,
		serving: async () => (await ask<{ readonly items: readonly ServingItem[] }>("/api/v1/serving")).items,
		calledAs: (caller, address) => calledAs(envoyAdmin(caller.adminSocket), address),
		until,
		close: async () => {
			// One that never came up has no pods.
			const pods = await call<{ readonly pods?: readonly PodStatus[] }>("GET", "/v1/pods").then(
				({ body }) => body.pods ?? [],
				() => [],
			);
			for (const { uid } of pods) await call("DELETE", `/v1/pods/${uid}?graceSeconds=0`).catch(() => {});
			await end(node, "SIGKILL");
			await end(control, "SIGKILL");
			rig.close();
		},
	};
	mesh.write("service.json", {
		apiVersion: "v1",
		kind: "Service",
		metadata: { name: "web", namespace: "default" },
		spec: { clusterIP: serviceIp, selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
	});
	return mesh;
}

interface Dumped {
	readonly configs?: readonly {
		readonly endpoint_config?: {
			readonly cluster_name: string;
			readonly endpoints: readonly {
				readonly lb_endpoints: readonly {
					readonly endpoint: { readonly address: { readonly socket_address: { readonly address: string } } };
					readonly health_status: string;
					readonly metadata?: { readonly filter_metadata?: Readonly<Record<string, { readonly tlsMode?: string }>> };
				}[];
			}[];
		};
	}[];
}

async function calledAs(admin: EnvoyAdmin, address: string): ReturnType<ServingMesh["calledAs"]> {
	const answer = await admin.get("/config_dump?include_eds&resource=dynamic_endpoint_configs");
	const { configs = [] } = JSON.parse(answer?.body || "{}") as Dumped;
	const config = configs.find(({ endpoint_config: one }) => one?.cluster_name === cluster)?.endpoint_config;
	const found = config?.endpoints
		.flatMap((group) => group.lb_endpoints)
		.find(({ endpoint }) => endpoint.address.socket_address.address === address);
	if (!found) return "unknown";
	if (found.health_status !== "HEALTHY") return "not at all";
	const match = found.metadata?.filter_metadata?.["envoy.transport_socket_match"]?.tlsMode;
	return match === "istio" ? "mutual TLS" : "plaintext";
}

function answerOf<Body>(options: object, body?: unknown): Promise<{ readonly status: number; readonly body: Body }> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ ...options, agent: false }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				text += chunk;
			});
			response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Body }));
		});
		outgoing.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
	});
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	return typeof address === "object" && address ? address.port : 0;
}
