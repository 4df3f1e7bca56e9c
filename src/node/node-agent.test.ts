// The agent as a process of its own, with real Envoys in real namespaces, seen through its API on the Unix socket.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { readRedirect } from "../kernel/namespace-redirect.ts";
import { typeUrls } from "../xds/resource.ts";
import { cleanUpNode } from "./clean-up.ts";
import { createFakeControl, type FakeControl } from "./fake-control.testing.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "./namespace-rig.testing.ts";
import type { PodStatus } from "./node-agent.ts";
import { nodePaths } from "./plan/pod-paths.ts";
import { identifyProcess } from "./process-table.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");

interface Answer<Body = PodStatus> {
	readonly status: number;
	readonly body: Body;
}

function freeUdpPort(): Promise<number> {
	return new Promise((resolve) => {
		const socket = createSocket("udp4");
		socket.bind(0, "127.0.0.1", () => {
			const { port } = socket.address();
			socket.close(() => resolve(port));
		});
	});
}

describe("the node agent", { skip: cannotRun }, () => {
	let rig: Rig;
	let client: Host;
	let pod: Host;
	let control: FakeControl;
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
	const startAgent = async (...flags: readonly string[]): Promise<ChildProcess> => {
		const started = spawn(
			process.execPath,
			[
				"--no-warnings",
				program,
				"node",
				"--node",
				"n1",
				"--state",
				state,
				"--control",
				`127.0.0.1:${controlPort}`,
				"--envoy",
				envoyBinary,
				...flags,
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		let said = "";
		started.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		for (let tries = 0; ; tries++) {
			const answer = await call("GET", "/v1/pods").catch(() => undefined);
			if (answer) return started;
			if (started.exitCode !== null || tries > 500) throw new Error(`the agent did not start: ${said}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	};
	const killAgent = async (signal: NodeJS.Signals) => {
		if (!agent) return;
		const ended = once(agent, "exit");
		agent.kill(signal);
		await ended;
		agent = undefined;
	};
	const describePod = (more: object = {}) => ({
		name: "app-1",
		namespace: "default",
		uid: "app-1",
		ip: pod.ip,
		netns: pod.netns,
		labels: { app: "app" },
		annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics" },
		serviceAccount: "app",
		ports: [{ name: "http", containerPort: 8080 }],
		concurrency: 1,
		...more,
	});
	const kill = (pid: number | undefined) => {
		// Number 0 would mean the test's own process group.
		assert.ok(pid !== undefined && pid > 1, `no process to kill: ${pid}`);
		process.kill(pid, "SIGKILL");
	};
	const get = (from: Host, host: string, port: number, path = "/") =>
		from.run<{ status?: number; body?: string; error?: string }>({ op: "http", host, port, path });
	const until = async (what: string, condition: () => Promise<boolean> | boolean) => {
		const startedMs = performance.now();
		while (!(await condition())) {
			if (performance.now() - startedMs > 10_000) throw new Error(`waited in vain: ${what}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	};

	before(async () => {
		rig = createRig();
		state = join(rig.directory, "s");
		client = rig.addHost("client", "10.77.0.2");
		pod = rig.addHost("pod", "10.77.0.3");
		await pod.run({ op: "serveHttp", port: 8080, name: "app" });
		await client.run({ op: "serveHttp", port: 9090, name: "outside" });
		control = createFakeControl();
		controlPort = await control.listen();
		agent = await startAgent();
	});
	afterEach(async () => {
		control.release();
		agent ??= await startAgent();
		for (const known of (await call<{ pods: readonly PodStatus[] }>("GET", "/v1/pods")).body.pods)
			await call("DELETE", `/v1/pods/${known.uid}?graceSeconds=0`);
	});
	after(async () => {
		await killAgent("SIGKILL");
		control?.close();
		rig?.close();
	});

	it("answers a new pod only when its proxy is ready, and says how it is", async () => {
		const answer = await call("POST", "/v1/pods", describePod());
		assert.equal(answer.status, 201, JSON.stringify(answer.body));
		assert.equal(answer.body.phase, "ready");
		assert.deepEqual(control.nodes.at(-1), "sidecar~10.77.0.3~app-1.default~default.svc.cluster.local");
		assert.match((await get(client, pod.ip, 8080)).body ?? "", /"remoteAddress":"127.0.0.6"/);
		assert.equal((await get(pod, client.ip, 9090)).status, 200);
		assert.equal((await get(client, pod.ip, 15_021, "/healthz/ready")).status, 200);
		const envoy = readFileSync(`/proc/${answer.body.pid}/status`, "utf8");
		assert.match(envoy, /Uid:\t1337\t1337/);
		assert.match(envoy, /CapEff:\t0000000000001000/);
	});

	it("is idempotent: the same pod again is answered at once by the same Envoy", async () => {
		const first = await call("POST", "/v1/pods", describePod());
		const second = await call("POST", "/v1/pods", describePod());
		assert.deepEqual([first.status, second.status, second.body.pid], [201, 200, first.body.pid]);
		const other = await call("POST", "/v1/pods", describePod({ ip: "10.77.0.9" }));
		assert.equal(other.status, 409);
	});

	it("keeps a proxy unready, inside and outside, until clusters and listeners have come", async () => {
		control.hold(typeUrls.listener);
		const answer = await call("POST", "/v1/pods?timeoutSeconds=0.7", describePod());
		assert.equal(answer.status, 504);
		assert.match(answer.body.because ?? "", /INITIALIZING|no listeners/);
		assert.notEqual((await get(client, pod.ip, 15_021, "/healthz/ready")).status, 200);
		control.release();
		await until("ready", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		assert.equal((await get(client, pod.ip, 15_021, "/healthz/ready")).status, 200);
	});

	it("starts a crashed Envoy again", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		kill(body.pid);
		await until("another Envoy", async () => {
			const now = (await call("GET", "/v1/pods/app-1")).body;
			return now.ready && now.pid !== body.pid;
		});
		assert.equal((await get(client, pod.ip, 8080)).status, 200);
		assert.equal((await get(client, pod.ip, 15_021, "/healthz/ready")).status, 200);
	});

	it("loses no request when it is killed and started again, and keeps the same Envoy", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		const inbound = client.run<{ sent: number; failed: number; errors: unknown }>({
			op: "load",
			host: pod.ip,
			port: 8080,
			durationMs: 2500,
			intervalMs: 5,
		});
		const outbound = pod.run<{ sent: number; failed: number; errors: unknown }>({
			op: "load",
			host: client.ip,
			port: 9090,
			durationMs: 2500,
			intervalMs: 5,
		});
		await new Promise((resolve) => setTimeout(resolve, 300));
		const connected = control.nodes.length;
		await killAgent("SIGKILL");
		assert.ok(identifyProcess(body.pid ?? 0), `Envoy ${body.pid} lives on: ${JSON.stringify(body)}`);
		await new Promise((resolve) => setTimeout(resolve, 300));
		agent = await startAgent();
		await until("adopted", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		await until("Envoy is back at the control plane", () => control.nodes.length > connected);
		const again = (await call("GET", "/v1/pods/app-1")).body;
		assert.deepEqual([again.pid, again.restarts], [body.pid, 0]);
		for (const result of await Promise.all([inbound, outbound])) {
			assert.deepEqual([result.failed, result.errors], [0, []]);
			assert.ok(result.sent > 200, `${result.sent} sent`);
		}
	});

	it("notices the end of an adopted Envoy and starts another", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await killAgent("SIGKILL");
		agent = await startAgent();
		await until("adopted", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		kill(body.pid);
		await until("another Envoy", async () => {
			const now = (await call("GET", "/v1/pods/app-1")).body;
			return now.ready && now.pid !== body.pid;
		});
	});

	it("starts Envoys again that died while no agent ran", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await killAgent("SIGKILL");
		kill(body.pid);
		agent = await startAgent();
		await until("ready", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		assert.equal((await get(client, pod.ip, 8080)).status, 200);
	});

	it("leaves proxies running on SIGTERM, and takes them along with --stop-proxies", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await killAgent("SIGTERM");
		assert.ok(identifyProcess(body.pid ?? 0));
		assert.ok(await readRedirect(pod.netns));
		agent = await startAgent("--stop-proxies");
		await until("adopted", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		await killAgent("SIGTERM");
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		assert.equal(await readRedirect(pod.netns), undefined);
		assert.equal(existsSync(join(state, "pods/app-1.json")), false);
	});

	it("drains on DELETE: the open request ends well, then Envoy, redirect and files are gone", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		const slow = get(client, pod.ip, 8080, "/?slow=1200");
		await new Promise((resolve) => setTimeout(resolve, 100));
		const deleted = call<{ existed: boolean }>("DELETE", "/v1/pods/app-1?graceSeconds=10");
		await new Promise((resolve) => setTimeout(resolve, 300));
		assert.notEqual((await get(client, pod.ip, 15_021, "/healthz/ready")).status, 200);
		assert.equal((await get(pod, client.ip, 9090)).status, 200, "outbound goes on while inbound drains");
		assert.equal((await slow).status, 200);
		assert.deepEqual((await deleted).body.existed, true);
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		assert.equal(await readRedirect(pod.netns), undefined);
		assert.equal(existsSync(join(state, "pods/app-1")), false);
		assert.equal((await get(client, pod.ip, 8080)).status, 200, "the application answers by itself");
		assert.equal((await call<{ existed: boolean }>("DELETE", "/v1/pods/app-1")).body.existed, false);
	});

	it("loses no request of clients that go on while a pod leaves the mesh", async () => {
		await call("POST", "/v1/pods", describePod());
		const load = (from: Host, host: string, port: number) =>
			from.run<{ sent: number; failed: number; errors: unknown }>({
				op: "load",
				host,
				port,
				durationMs: 2000,
				intervalMs: 3,
			});
		const both = [load(client, pod.ip, 8080), load(pod, client.ip, 9090)];
		await new Promise((resolve) => setTimeout(resolve, 200));
		await call("DELETE", "/v1/pods/app-1?graceSeconds=10");
		for (const result of await Promise.all(both)) {
			assert.deepEqual([result.failed, result.errors], [0, []]);
			assert.ok(result.sent > 200, `${result.sent} sent`);
		}
	});

	it("adds a pod again that is just being removed", async () => {
		const first = await call("POST", "/v1/pods", describePod());
		const deleted = call("DELETE", "/v1/pods/app-1?graceSeconds=5");
		await new Promise((resolve) => setTimeout(resolve, 50));
		const second = await call("POST", "/v1/pods", describePod());
		await deleted;
		assert.equal(second.status, 201);
		assert.notEqual(second.body.pid, first.body.pid);
		assert.ok(existsSync(join(state, "pods/app-1.json")));
	});

	it("waits no longer than the grace time for connections that stay open", async () => {
		await call("POST", "/v1/pods", describePod());
		const slow = get(client, pod.ip, 8080, "/?slow=2900");
		await new Promise((resolve) => setTimeout(resolve, 100));
		const startedMs = performance.now();
		await call("DELETE", "/v1/pods/app-1?graceSeconds=1");
		const tookMs = performance.now() - startedMs;
		assert.ok(tookMs > 900 && tookMs < 2500, `${tookMs} ms`);
		await slow;
	});

	it("serves Envoy's and the application's metrics as one on 15020", async () => {
		await call("POST", "/v1/pods", describePod());
		const { body = "", status } = await get(client, pod.ip, 15_020, "/stats/prometheus");
		assert.equal(status, 200, body);
		assert.match(body, /^envoy_server_live\{\} 1$/m);
		assert.match(body, /^app_requests\{name="app"\} 7$/m);
		assert.doesNotMatch(body, /# EOF/);
		assert.match((await get(client, pod.ip, 15_090, "/stats/prometheus")).body ?? "", /envoy_server_live/);
	});

	it("serves Envoy's metrics alone when the application does not answer", async () => {
		const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": "8999" };
		await call("POST", "/v1/pods", describePod({ annotations }));
		const { body = "" } = await get(client, pod.ip, 15_020, "/stats/prometheus");
		assert.match(body, /^envoy_server_live\{\} 1$/m);
		assert.match(body, /# keepmesh: a source answered 503/);
	});

	it("answers the mesh's names over DNS, without a break while the agent is gone", async () => {
		const dnsPort = await freeUdpPort();
		const dns = `127.0.0.1:${dnsPort}`;
		await killAgent("SIGTERM");
		agent = await startAgent("--dns-listen", dns);
		const resolver = new Resolver({ timeout: 1000, tries: 1 });
		resolver.setServers([dns]);
		const ask = (name: string) => resolver.resolve4(name).catch((error: { code?: string }) => error.code);
		await call("POST", "/v1/pods", describePod());
		await until("the name", async () => Array.isArray(await ask("app.default.svc.cluster.local")));
		assert.deepEqual(await ask("app.default.svc.cluster.local"), ["10.96.0.7"]);
		assert.equal(await ask("none.default.svc.cluster.local"), "ENOTFOUND");
		const pidOf = () =>
			(JSON.parse(readFileSync(join(state, "dns.json"), "utf8")) as { process: { pid: number } }).process.pid;
		const pid = pidOf();
		assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /Uid:\t1337\t1337/);
		await killAgent("SIGKILL");
		assert.deepEqual(await ask("app.default.svc.cluster.local"), ["10.96.0.7"]);
		agent = await startAgent("--dns-listen", dns);
		assert.deepEqual(await ask("app.default.svc.cluster.local"), ["10.96.0.7"]);
		assert.equal(pidOf(), pid);
		process.kill(pid, "SIGKILL");
		await until("another DNS process", async () => Array.isArray(await ask("app.default.svc.cluster.local")));
		assert.notEqual(pidOf(), pid);
		await killAgent("SIGTERM");
		agent = await startAgent("--dns-listen", dns, "--stop-proxies");
		const last = pidOf();
		await killAgent("SIGTERM");
		assert.equal(identifyProcess(last), undefined);
	});

	it("leaves nothing behind after a kill once it is told to clean up, and nothing of others is touched", async () => {
		const dns = `127.0.0.1:${await freeUdpPort()}`;
		await killAgent("SIGTERM");
		agent = await startAgent("--dns-listen", dns);
		const { body } = await call("POST", "/v1/pods", describePod());
		const { process: dnsProcess } = JSON.parse(readFileSync(join(state, "dns.json"), "utf8")) as {
			process: { pid: number };
		};
		pod.exec("nft", "add", "table", "inet", "somebodyelse");
		assert.equal((await cleanUpNode(state)).ok, false, "not under a running agent");
		await killAgent("SIGKILL");
		assert.deepEqual(await cleanUpNode(state), { ok: true, processes: 2, redirects: 1 });
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		assert.equal(identifyProcess(dnsProcess.pid), undefined);
		assert.deepEqual(pod.exec("nft", "list", "tables").trim(), "table inet somebodyelse");
		assert.deepEqual(readdirSync(state), []);
		assert.deepEqual(await cleanUpNode(state), { ok: true, processes: 0, redirects: 0 });
		pod.exec("nft", "delete", "table", "inet", "somebodyelse");
	});

	it("puts a machine without pods into the mesh", async () => {
		const machine = rig.addHost("vm", "10.77.0.4");
		await machine.run({ op: "serveHttp", port: 8080, name: "legacy" });
		await machine.run({ op: "serveControl", port: 15_010 });
		const flags = ["--node", "vm1", "--state", `${state}-vm`, "--control", "127.0.0.1:15010", "--envoy", envoyBinary];
		const own = ["--proxy", "sidecar", "--ip", machine.ip, "--labels", "app=legacy,version=v1", "--stop-proxies"];
		const command = [process.execPath, "--no-warnings", program, "node", ...flags, ...own];
		const running = spawn("nsenter", [`--net=${machine.netns}`, "--", ...command], { stdio: "ignore" });
		await until("inbound through Envoy", async () =>
			((await get(client, machine.ip, 8080)).body ?? "").includes('"remoteAddress":"127.0.0.6"'),
		);
		await until("ready", async () => (await get(client, machine.ip, 15_021, "/healthz/ready")).status === 200);
		assert.equal((await get(machine, client.ip, 9090)).status, 200);
		const ended = once(running, "exit");
		running.kill("SIGTERM");
		await ended;
		assert.match((await get(client, machine.ip, 8080)).body ?? "", new RegExp(`"remoteAddress":"${client.ip}"`));
		assert.equal(await readRedirect(machine.netns), undefined);
	});

	it("refuses a pod that cannot be, with all reasons at once", async () => {
		const answer = await call<{ problems: readonly { path: string }[] }>("POST", "/v1/pods", {
			name: "Bad Name",
			ip: "10.1.2",
			netns: "relative",
			ports: [{ containerPort: 0 }],
		});
		assert.equal(answer.status, 400);
		assert.deepEqual(
			answer.body.problems.map((problem) => problem.path),
			["name", "uid", "netns", "ips[0]", "ports[0].containerPort"],
		);
		const missing = await call("POST", "/v1/pods", describePod({ netns: "/run/netns/kmn-none" }));
		assert.equal(missing.status, 400);
	});

	it("refuses a second agent on the same state directory", async () => {
		const second = spawn(
			process.execPath,
			[
				"--no-warnings",
				program,
				"node",
				"--node",
				"n2",
				"--state",
				state,
				"--control",
				`127.0.0.1:${controlPort}`,
				"--envoy",
				envoyBinary,
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		let said = "";
		second.stderr.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		const [code] = await once(second, "exit");
		assert.notEqual(code, 0);
		assert.match(said, /another process listens/);
	});
});
