// From a changed file to new behaviour at an Envoy. A real control plane watches a directory; a real Envoy is its gateway; a
// VirtualService is replaced by rename again and again, and requests are sent until one is answered the new way.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startControl } from "../src/app/control.ts";
import { reportBench, spreadOf } from "./support/bench-report.ts";
import { gatewayBootstrap } from "./support/gateway-bootstrap.ts";

const changes = 60;
const envoyBinary = join(import.meta.dirname, "../.keepmesh/envoy");
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const directory = mkdtempSync(join(tmpdir(), "keepmesh-push-"));
const resources = join(directory, "resources");
const socketPath = join(directory, "xds.sock");
const port = await freePort();
const agent = new Agent({ keepAlive: true });

writeFiles();
const control = await startControl(
	{
		id: "bench",
		version: "0",
		resources: [resources],
		trustDomain: "cluster.local",
		xdsSocket: socketPath,
		api: { host: "127.0.0.1", port: 0 },
	},
	{ log: silent },
);
writeFileSync(join(directory, "envoy.json"), JSON.stringify(gatewayBootstrap(socketPath, "default")));
const envoy = spawn(
	envoyBinary,
	["-c", join(directory, "envoy.json"), "--disable-hot-restart", "--concurrency", "1", "-l", "error"],
	{ stdio: "inherit" },
);
try {
	await until("answer 0", 10_000);
	const tookMs: number[] = [];
	for (let change = 1; change <= changes; change++) {
		// Irregular pauses: neither the control plane's hold-off nor a timer of ours may fall into step.
		await sleep(150 + ((change * 37) % 100));
		writeFileSync(join(directory, "next.yaml"), rule(`answer ${change}`));
		const startedMs = performance.now();
		renameSync(join(directory, "next.yaml"), join(resources, "rule.yaml"));
		await until(`answer ${change}`, 5_000);
		tookMs.push(performance.now() - startedMs);
	}
	reportBench("push", [
		{
			what: "rename of a VirtualService's file -> first request answered the new way",
			unit: "ms",
			spread: spreadOf(tookMs),
			target: "median <= 20",
		},
	]);
} finally {
	agent.destroy();
	envoy.kill("SIGKILL");
	await control.close();
	rmSync(directory, { recursive: true });
}
process.exit(0);

async function until(body: string, limitMs: number): Promise<void> {
	const endMs = performance.now() + limitMs;
	while ((await fetchBody().catch(() => "")) !== body) {
		if (performance.now() > endMs) throw new Error(`not "${body}" within ${limitMs} ms`);
		await sleep(0);
	}
}

function fetchBody(): Promise<string> {
	return new Promise((resolve, reject) => {
		get({ host: "127.0.0.1", port, path: "/", agent, timeout: 1000 }, (response) => {
			let body = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				body += chunk;
			});
			response.on("end", () => resolve(body));
		}).on("error", reject);
	});
}

function writeFiles(): void {
	mkdirSync(resources);
	writeFileSync(join(resources, "gateway.yaml"), gateway());
	writeFileSync(join(resources, "rule.yaml"), rule("answer 0"));
}

function gateway(): string {
	return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {app: edge}
  servers: [{port: {number: ${port}, name: http, protocol: HTTP}, hosts: ["*"]}]
`;
}

function rule(body: string): string {
	return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rule, namespace: default}
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{directResponse: {status: 200, body: {string: "${body}"}}}]
`;
}

function freePort(): Promise<number> {
	return new Promise((resolve) => {
		const server = createServer().listen(0, "127.0.0.1", () => {
			const address = server.address();
			server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
		});
	});
}
