// A whole mesh in small: a real control plane, the agent, three pods behind real Envoys. A pod is taken away while clients go on.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type RunningNode, startNode } from "../../src/app/node.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { nodePaths } from "../../src/node/plan/pod-paths.ts";
import { silentLog } from "../../src/runtime/log.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
const clusterIp = "10.96.0.10";

function service(): string {
	return `apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: ${clusterIp}
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
`;
}

function endpoints(addresses: readonly string[]): string {
	return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: default, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
${addresses.map((address) => `- { addresses: [${address}], conditions: { ready: true } }`).join("\n")}
`;
}

describe("a rolling restart", { skip: cannotRun }, () => {
	let rig: Rig;
	let client: Host;
	let web: readonly Host[] = [];
	let control: ChildProcess;
	let node: RunningNode;
	let resources = "";

	const write = (name: string, text: string): void => {
		writeFileSync(join(rig.directory, name), text);
		renameSync(join(rig.directory, name), join(resources, name));
	};
	const call = (method: string, path: string, body?: unknown): Promise<number> =>
		new Promise((resolve, reject) => {
			const socketPath = nodePaths(join(rig.directory, "s")).apiSocket;
			const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
				response.resume().on("end", () => resolve(response.statusCode ?? 0));
			});
			outgoing.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
		});
	const addPod = (host: Host, app: string) =>
		call("POST", "/v1/pods", {
			name: host.name,
			uid: host.name,
			ip: host.ip,
			netns: host.netns,
			labels: { app },
			concurrency: 1,
		});

	before(async () => {
		rig = createRig();
		resources = join(rig.directory, "resources");
		mkdirSync(resources);
		client = rig.addHost("client", "10.77.0.2");
		web = [rig.addHost("web1", "10.77.0.3"), rig.addHost("web2", "10.77.0.4")];
		write("service.yaml", service());
		write("endpoints.yaml", endpoints(web.map((host) => host.ip)));
		const [xds, api] = [await freePort(), await freePort()];
		control = spawn(
			process.execPath,
			[
				"--no-warnings",
				program,
				"control",
				"--resources",
				resources,
				"--insecure-xds",
				`127.0.0.1:${xds}`,
				"--api",
				`127.0.0.1:${api}`,
			],
			{ stdio: ["ignore", "ignore", process.env.KEEPMESH_TEST_LOG ? "inherit" : "ignore"] },
		);
		node = await startNode(
			{
				name: "n1",
				state: join(rig.directory, "s"),
				control: [{ host: "127.0.0.1", port: xds }],
				envoy: envoyBinary,
				security: { mode: "plaintext" },
			},
			{ log: silentLog },
		);
		for (const host of web) await host.run({ op: "serveHttp", port: 8080, name: host.name });
		assert.deepEqual(
			await Promise.all([addPod(client, "client"), ...web.map((host) => addPod(host, "web"))]),
			[201, 201, 201],
		);
	});
	after(async () => {
		await node?.close({ stopProxies: true, graceMs: 0 });
		if (control?.exitCode === null) {
			const ended = once(control, "exit");
			control.kill("SIGKILL");
			await ended;
		}
		rig?.close();
	});

	it("reaches the service's pods through both Envoys", async () => {
		const seen = new Set<string>();
		for (let i = 0; i < 20; i++) {
			const answer = await client.run<{ status: number; body: string }>({ op: "http", host: clusterIp, port: 80 });
			assert.equal(answer.status, 200, JSON.stringify(answer));
			const echo = JSON.parse(answer.body) as { name: string; remoteAddress: string };
			assert.equal(echo.remoteAddress, "127.0.0.6");
			seen.add(echo.name);
		}
		assert.deepEqual([...seen].sort(), web.map((host) => host.name).sort());
	});

	it("loses nothing: endpoint out, drain, application stopped, proxy gone", async () => {
		const load = client.run<{ sent: number; failed: number; errors: unknown }>({
			op: "load",
			host: clusterIp,
			port: 80,
			durationMs: 3000,
			intervalMs: 4,
			atLeast: 301,
		});
		await new Promise((resolve) => setTimeout(resolve, 300));
		const [leaving, staying] = web;
		assert.ok(leaving && staying);
		write("endpoints.yaml", endpoints([staying.ip]));
		assert.equal(await call("DELETE", `/v1/pods/${leaving.name}?graceSeconds=10`), 200);
		rig.removeHost(leaving);
		const result = await load;
		assert.deepEqual([result.failed, result.errors], [0, []]);
		assert.ok(result.sent > 300, `${result.sent} sent`);
	});
});

function freePort(): Promise<number> {
	return new Promise((resolve) => {
		const server = createServer();
		server.listen(0, "127.0.0.1", () => {
			const address = server.address();
			server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
		});
	});
}
