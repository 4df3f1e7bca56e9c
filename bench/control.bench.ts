// npm run bench -- control [--json FILE] [--runs N]
// The control plane as it is started: how long until it is ready with a large directory, what memory that takes, and how
// long a changed file takes to a connected client. The control plane is a process of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DeltaClient } from "../src/app/control.testing.ts";
import { typeUrls } from "../src/xds/resource.ts";

const { values } = parseArgs({ options: { json: { type: "string" }, runs: { type: "string", default: "50" } } });
const root = fileURLToPath(new URL("../", import.meta.url));
const endpointsEach = 20;

const directory = mkdtempSync(join(tmpdir(), "keepmesh-bench-"));
try {
	const result = {
		machine: `${cpus()[0]?.model ?? "?"} x ${cpus().length}, Linux ${release()}, Node ${process.versions.node}`,
		versionMs: await medianOf(7, () => commandMs(["version"])),
		validateMs: await medianOf(5, () => commandMs(["validate", "-f", smallFile()])),
		small: await measureControl(10),
		large: await measureControl(1000),
	};
	for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(14)} ${JSON.stringify(value)}`);
	if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, "\t")}\n`);
} finally {
	rmSync(directory, { recursive: true, force: true });
}

async function measureControl(serviceCount: number) {
	const resources = join(directory, `resources-${serviceCount}`);
	mkdirSync(resources);
	for (let i = 0; i < serviceCount; i++) writeFileSync(join(resources, `s${i}.yaml`), serviceText(i));
	const startMs = performance.now();
	const { child, xdsPort } = await startControl(resources);
	const startSeconds = (performance.now() - startMs) / 1000;
	const rssMb = rssOf(child);
	try {
		const client = new DeltaClient(xdsPort, "sidecar~10.250.0.1~client-1.default~default.svc.cluster.local", {});
		await client.until(() => client.have.get(typeUrls.route)?.has("80") ?? false, "the route table", 30_000);
		const latenciesMs: number[] = [];
		for (let run = 0; run < Number(values.runs); run++) {
			// Past the quiet time of the debounce: what is measured is one change, not a storm.
			await new Promise((done) => setTimeout(done, 150));
			const before = client.have.get(typeUrls.route)?.get("80");
			writeFileSync(join(directory, "rule.new"), ruleText(run + 1));
			const changeMs = performance.now();
			renameSync(join(directory, "rule.new"), join(resources, "rule.yaml"));
			await client.until(() => client.have.get(typeUrls.route)?.get("80") !== before, "the change");
			latenciesMs.push(performance.now() - changeMs);
		}
		client.close();
		latenciesMs.sort((a, b) => a - b);
		const at = (share: number): number => round(latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0);
		return {
			services: serviceCount,
			endpoints: serviceCount * endpointsEach,
			startSeconds: round(startSeconds),
			rssMb,
			rssAfterMb: rssOf(child),
			changeMs: { min: at(0), median: at(0.5), p95: at(0.95), max: round(latenciesMs.at(-1) ?? 0) },
		};
	} finally {
		child.kill("SIGTERM");
		await new Promise((done) => child.once("exit", done));
	}
}

function startControl(resources: string): Promise<{ child: ChildProcess; xdsPort: number }> {
	const args = ["control", "--resources", resources, "--insecure-xds", "127.0.0.1:0", "--api", "127.0.0.1:0"];
	const child = keepmesh(args, ["ignore", "ignore", "pipe"]);
	return new Promise((done, fail) => {
		let text = "";
		child.once("exit", (code) => fail(new Error(`control ended with ${code}: ${text}`)));
		child.stderr?.on("data", (chunk: Buffer) => {
			text += chunk.toString();
			const xdsPort = /"port":(\d+)[^\n]*"xds listens"/.exec(text)?.[1];
			if (xdsPort && text.includes("control plane ready")) done({ child, xdsPort: Number(xdsPort) });
		});
	});
}

function keepmesh(args: readonly string[], stdio: ("ignore" | "pipe")[]): ChildProcess {
	const env = { ...process.env, NODE_COMPILE_CACHE: join(root, ".keepmesh/compile-cache") };
	return spawn(join(root, ".keepmesh/node"), ["--no-warnings", join(root, "bin/keepmesh.ts"), ...args], { env, stdio });
}

async function commandMs(args: readonly string[]): Promise<number> {
	const startMs = performance.now();
	const child = keepmesh(args, ["ignore", "ignore", "ignore"]);
	await new Promise((done) => child.once("exit", done));
	return performance.now() - startMs;
}

async function medianOf(runs: number, measure: () => Promise<number>): Promise<number> {
	const measured: number[] = [];
	for (let run = 0; run < runs; run++) measured.push(await measure());
	return round(measured.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? 0);
}

function rssOf(child: ChildProcess): number {
	const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
	return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

function smallFile(): string {
	const file = join(directory, "small.yaml");
	writeFileSync(file, ruleText(1));
	return file;
}

function serviceText(i: number): string {
	const endpoints = Array.from({ length: endpointsEach }, (_, j) => `- addresses: [10.${i >> 8}.${i & 255}.${j + 1}]`);
	return `apiVersion: v1
kind: Service
metadata: {name: s${i}}
spec:
  selector: {app: s${i}}
  ports:
  - {name: http, port: 80}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s${i}-1
  labels: {kubernetes.io/service-name: s${i}}
addressType: IPv4
ports:
- {name: http, port: 80}
endpoints:
${endpoints.join("\n")}
`;
}

function ruleText(timeoutSeconds: number): string {
	return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s1}
spec:
  hosts: [s1]
  http:
  - timeout: ${timeoutSeconds}s
    route:
    - destination: {host: s1}
`;
}

function round(value: number): number {
	return Math.round(value * 100) / 100;
}
