// What the tests of the node agent share: two hosts in namespaces, a fake control plane, an agent as a process of its own that
// may be killed at any time, and its API.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { createFakeControl, type FakeControl } from "./fake-control.testing.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "./namespace-rig.testing.ts";
import type { PodStatus } from "./node-agent.ts";
import { nodePaths } from "./plan/pod-paths.ts";

export const program = join(import.meta.dirname, "../../bin/keepmesh.ts");

interface Answer<Body> {
	readonly status: number;
	readonly body: Body;
}

interface AgentFixture {
	readonly rig: Rig;
	/** Outside the mesh; serves HTTP on 9090. */
	readonly client: Host;
	/** Serves HTTP on 8080, with metrics. */
	readonly pod: Host;
	readonly control: FakeControl;
	readonly controlPort: number;
	readonly state: string;
	call<Body = PodStatus>(method: string, path: string, body?: unknown): Promise<Answer<Body>>;
	/** Resolves when its API answers. */
	startAgent(...flags: readonly string[]): Promise<void>;
	killAgent(signal: NodeJS.Signals): Promise<void>;
	describePod(more?: object): object;
	kill(pid: number | undefined): void;
	get(
		from: Host,
		host: string,
		port: number,
		path?: string,
	): Promise<{ status?: number; body?: string; error?: string }>;
	until(what: string, condition: () => Promise<boolean> | boolean): Promise<void>;
}

/** Called inside `describe`. Before each test an agent runs; after each, no pod is left. */
export function useAgent(): AgentFixture {
	let rig: Rig | undefined;
	let client: Host | undefined;
	let pod: Host | undefined;
	let control: FakeControl | undefined;
	let agent: ChildProcess | undefined;
	let state = "";
	let controlPort = 0;

	const call = <Body = PodStatus>(method: string, path: string, body?: unknown): Promise<Answer<Body>> =>
		new Promise((resolve, reject) => {
			const outgoing = request({ socketPath: nodePaths(state).apiSocket, method, path, agent: false }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Body }));
			});
			outgoing.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
		});
	const startAgent = async (...flags: readonly string[]): Promise<void> => {
		const control = ["--control", `127.0.0.1:${controlPort}`, "--insecure-control"];
		const all = ["--node", "n1", "--state", state, ...control, "--envoy", envoyBinary];
		const started = spawn(process.execPath, ["--no-warnings", program, "node", ...all, ...flags], {
			stdio: ["ignore", "ignore", "pipe"],
		});
		agent = started;
		let said = "";
		started.stderr.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		for (let tries = 0; ; tries++) {
			const answer = await call("GET", "/v1/pods").catch(() => undefined);
			if (answer) return;
			if (started.exitCode !== null || tries > 3000) throw new Error(`the agent did not start: ${said}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	};
	const killAgent = async (signal: NodeJS.Signals): Promise<void> => {
		if (!agent) return;
		const ended = once(agent, "exit");
		agent.kill(signal);
		await ended;
		agent = undefined;
	};

	before(async () => {
		if (cannotRun) return;
		rig = createRig();
		state = join(rig.directory, "s");
		client = rig.addHost("client", "10.77.0.2");
		pod = rig.addHost("pod", "10.77.0.3");
		await pod.run({ op: "serveHttp", port: 8080, name: "app" });
		await client.run({ op: "serveHttp", port: 9090, name: "outside" });
		control = createFakeControl();
		controlPort = await control.listen();
		await startAgent();
	});
	afterEach(async () => {
		if (cannotRun) return;
		control?.release();
		if (!agent) await startAgent();
		for (const known of (await call<{ pods: readonly PodStatus[] }>("GET", "/v1/pods")).body.pods)
			await call("DELETE", `/v1/pods/${known.uid}?graceSeconds=0`);
	});
	after(async () => {
		await killAgent("SIGKILL");
		control?.close();
		rig?.close();
	});

	return {
		get rig() {
			return rig ?? assert.fail("no rig");
		},
		get client() {
			return client ?? assert.fail("no client");
		},
		get pod() {
			return pod ?? assert.fail("no pod");
		},
		get control() {
			return control ?? assert.fail("no control plane");
		},
		get controlPort() {
			return controlPort;
		},
		get state() {
			return state;
		},
		call,
		startAgent,
		killAgent,
		describePod: (more = {}) => ({
			name: "app-1",
			namespace: "default",
			uid: "app-1",
			ip: pod?.ip,
			netns: pod?.netns,
			labels: { app: "app" },
			annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics" },
			serviceAccount: "app",
			ports: [{ name: "http", containerPort: 8080 }],
			concurrency: 1,
			...more,
		}),
		kill: (pid) => {
			// Number 0 would mean the test's own process group.
			assert.ok(pid !== undefined && pid > 1, `no process to kill: ${pid}`);
			process.kill(pid, "SIGKILL");
		},
		get: (from, host, port, path = "/") => from.run({ op: "http", host, port, path }),
		until: async (what, condition) => {
			const startedMs = performance.now();
			while (!(await condition())) {
				if (performance.now() - startedMs > 10_000) throw new Error(`waited in vain: ${what}`);
				await new Promise((resolve) => setTimeout(resolve, 10));
			}
		},
	};
}
