// The agent is killed, ended and started again; pods must not notice.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readRedirect } from "../kernel/namespace-redirect.ts";
import { useAgent } from "./agent-fixture.testing.ts";
import { cleanUpNode } from "./clean-up.ts";
import { cannotRun } from "./namespace-rig.testing.ts";
import { identifyProcess } from "./process-table.ts";

describe("a restart of the node agent", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, startAgent, killAgent, describePod, kill, get, until } = a;

	it("loses no request when it is killed and started again, and keeps the same Envoy", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		const inbound = a.client.run<{ sent: number; failed: number; errors: unknown }>({
			op: "load",
			host: a.pod.ip,
			port: 8080,
			durationMs: 2500,
			intervalMs: 5,
		});
		const outbound = a.pod.run<{ sent: number; failed: number; errors: unknown }>({
			op: "load",
			host: a.client.ip,
			port: 9090,
			durationMs: 2500,
			intervalMs: 5,
		});
		await new Promise((resolve) => setTimeout(resolve, 300));
		const connected = a.control.nodes.length;
		await killAgent("SIGKILL");
		assert.ok(identifyProcess(body.pid ?? 0), `Envoy ${body.pid} lives on: ${JSON.stringify(body)}`);
		await new Promise((resolve) => setTimeout(resolve, 300));
		await startAgent();
		await until("adopted", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		await until("Envoy is back at the control plane", () => a.control.nodes.length > connected);
		const again = (await call("GET", "/v1/pods/app-1")).body;
		assert.deepEqual([again.pid, again.restarts], [body.pid, 0]);
		for (const result of await Promise.all([inbound, outbound])) {
			assert.deepEqual([result.failed, result.errors], [0, []]);
			assert.ok(result.sent > 100, `${result.sent} sent`);
		}
	});

	it("notices the end of an adopted Envoy and starts another", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await killAgent("SIGKILL");
		await startAgent();
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
		await startAgent();
		await until("ready", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		assert.equal((await get(a.client, a.pod.ip, 8080)).status, 200);
	});

	it("tells how old what a proxy works with may be, also when no control plane was there since", async () => {
		type Told = { config?: { connected: boolean; upstream?: string; lastContactAt?: string; staleForSeconds: number } };
		const told = async () => (await call<Told>("GET", "/v1/pods/app-1")).body.config;
		await call("POST", "/v1/pods", describePod());
		await until("contact", async () => (await told())?.connected === true);
		assert.equal((await told())?.upstream, `127.0.0.1:${a.controlPort}`);
		await killAgent("SIGTERM");
		await startAgent("--control", "127.0.0.1:1");
		await until("adopted", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		const [pod] = (await call<{ pods: readonly Told[] }>("GET", "/v1/pods")).body.pods;
		assert.equal(pod?.config?.connected, false);
		const lastMs = Date.parse(pod?.config?.lastContactAt ?? "");
		assert.ok(Math.abs(Date.now() - lastMs) < 30_000, `${pod?.config?.lastContactAt}`);
		await until("a second has passed", async () => ((await told())?.staleForSeconds ?? 0) > 0);
		const metrics = await textOf(a.state, "/metrics");
		assert.match(metrics, /^keepmesh_node_xds_connected\{proxy="sidecar~10\.77\.0\.3~app-1\.default[^"]*"\} 0$/m);
		assert.match(metrics, /^keepmesh_node_config_stale_seconds\{proxy="[^"]+"\} [1-9]/m);
		assert.match(metrics, /^keepmesh_node_config_files_set_aside_total 0$/m);
		await killAgent("SIGTERM");
	});

	it("leaves proxies running on SIGTERM, and takes them along with --stop-proxies", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await killAgent("SIGTERM");
		assert.ok(identifyProcess(body.pid ?? 0));
		assert.ok(await readRedirect(a.pod.netns));
		await startAgent("--stop-proxies");
		await until("adopted", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		await killAgent("SIGTERM");
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		assert.equal(await readRedirect(a.pod.netns), undefined);
		assert.equal(existsSync(join(a.state, "pods/app-1.json")), false);
	});

	it("answers the mesh's names over DNS, without a break while the agent is gone", async () => {
		const dnsPort = await freeUdpPort();
		const dns = `127.0.0.1:${dnsPort}`;
		await killAgent("SIGTERM");
		await startAgent("--dns-listen", dns);
		const resolver = new Resolver({ timeout: 1000, tries: 1 });
		resolver.setServers([dns]);
		const ask = (name: string) => resolver.resolve4(name).catch((error: { code?: string }) => error.code);
		await call("POST", "/v1/pods", describePod());
		await until("the name", async () => Array.isArray(await ask("app.default.svc.cluster.local")));
		assert.deepEqual(await ask("app.default.svc.cluster.local"), ["10.96.0.7"]);
		assert.equal(await ask("none.default.svc.cluster.local"), "ENOTFOUND");
		const pidOf = () =>
			(JSON.parse(readFileSync(join(a.state, "dns.json"), "utf8")) as { process: { pid: number } }).process.pid;
		const pid = pidOf();
		assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /Uid:\t1337\t1337/);
		await killAgent("SIGKILL");
		assert.deepEqual(await ask("app.default.svc.cluster.local"), ["10.96.0.7"]);
		await startAgent("--dns-listen", dns);
		assert.deepEqual(await ask("app.default.svc.cluster.local"), ["10.96.0.7"]);
		assert.equal(pidOf(), pid);
		process.kill(pid, "SIGKILL");
		await until("another DNS process", async () => Array.isArray(await ask("app.default.svc.cluster.local")));
		assert.notEqual(pidOf(), pid);
		await killAgent("SIGTERM");
		await startAgent("--dns-listen", dns, "--stop-proxies");
		const last = pidOf();
		await killAgent("SIGTERM");
		assert.equal(identifyProcess(last), undefined);
	});

	it("leaves nothing behind after a kill once it is told to clean up, and nothing of others is touched", async () => {
		const dns = `127.0.0.1:${await freeUdpPort()}`;
		await killAgent("SIGTERM");
		await startAgent("--dns-listen", dns);
		const { body } = await call("POST", "/v1/pods", describePod());
		const { process: dnsProcess } = JSON.parse(readFileSync(join(a.state, "dns.json"), "utf8")) as {
			process: { pid: number };
		};
		a.pod.exec("nft", "add", "table", "inet", "somebodyelse");
		assert.equal((await cleanUpNode(a.state)).ok, false, "not under a running agent");
		await killAgent("SIGKILL");
		// The pod's Envoy, the spare, and who answers names.
		assert.deepEqual(await cleanUpNode(a.state), { ok: true, processes: 3, redirects: 1 });
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		assert.equal(identifyProcess(dnsProcess.pid), undefined);
		assert.deepEqual(a.pod.exec("nft", "list", "tables").trim(), "table inet somebodyelse");
		assert.deepEqual(readdirSync(a.state), []);
		assert.deepEqual(await cleanUpNode(a.state), { ok: true, processes: 0, redirects: 0 });
		a.pod.exec("nft", "delete", "table", "inet", "somebodyelse");
	});
});

function textOf(state: string, path: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ socketPath: join(state, "node.sock"), path, agent: false }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				text += chunk;
			});
			response.on("end", () => resolve(text));
		});
		outgoing.on("error", reject).end();
	});
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
