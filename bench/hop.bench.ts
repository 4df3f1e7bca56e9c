// What one hop through the generated sidecar configuration costs beside a hand-written minimal Envoy configuration that does
// the same: take a redirected connection and forward the request to one upstream. Both run in network namespaces of their
// own with the same redirect, on the same Envoy, in turns; latency is the sender's, CPU is the proxy's.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { generateProxyConfig } from "../src/envoy/generate-proxy-config.ts";
import { planRedirect } from "../src/hotswitch/redirect-plan.ts";
import { renderRedirect } from "../src/hotswitch/render-redirect.ts";
import { applyRedirect } from "../src/kernel/namespace-redirect.ts";
import { aProxy } from "../src/model/model.testing.ts";
import { cannotRun, createRig, envoyBinary, type Host } from "../src/node/namespace-rig.testing.ts";
import { envoyCommand } from "../src/node/plan/envoy-command.ts";
import { readResources } from "../src/resources/read-resources.ts";
import { realClock } from "../src/runtime/clock.ts";
import { applyChanges, emptySnapshot } from "../src/snapshot/snapshot.ts";
import { viewFor } from "../src/snapshot/view-for.ts";
import { startXdsServer } from "../src/xds/wire/xds-server.ts";
import { type BenchRow, cpuMsOf, reportBench, spreadOf } from "./support/bench-report.ts";

const rounds = 15;
const requestsPerRound = 6_000;
const connections = 4;
const port = 9080;
const authority = `reviews:${port}`;

if (cannotRun) {
	console.error(`hop: ${cannotRun}; run it as root`);
	process.exit(69);
}

const run = promisify(execFile);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const metric = { add() {}, set() {}, observe() {} };
const metrics = { counter: () => metric, gauge: () => metric, histogram: () => metric };
const children: ChildProcess[] = [];
const rig = createRig();
try {
	await measure();
} finally {
	for (const child of children) child.kill("SIGKILL");
	rig.close();
}
process.exit(0);

interface Measured {
	readonly p50Us: number[];
	readonly p99Us: number[];
	readonly meanUs: number[];
	readonly cpuUs: number[];
}

async function measure(): Promise<void> {
	const upstream = rig.addHost("up", "10.77.0.10");
	startEnvoy(upstream, "upstream", fixedAnswer());
	const minimal = rig.addHost("min", "10.77.0.21");
	const generated = rig.addHost("gen", "10.77.0.22");
	const proxies = new Map<Host, ChildProcess>([
		[minimal, startEnvoy(minimal, "minimal", minimalConfig(upstream.ip))],
		[generated, startEnvoy(generated, "generated", await servedConfig(generated, upstream.ip))],
	]);
	for (const host of proxies.keys()) {
		const { plan } = planRedirect({ owner: host.name, mode: "REDIRECT", ips: [host.ip], annotations: {} });
		const applied = await applyRedirect(host.netns, { ruleset: renderRedirect(plan), ipv6: false, lowPorts: false });
		if (!applied.ok) throw new Error(applied.message);
	}
	await untilServing([minimal, generated], upstream.ip);

	const measured = new Map<Host, Measured>(
		[minimal, generated].map((host) => [host, { p50Us: [], p99Us: [], meanUs: [], cpuUs: [] }]),
	);
	for (let round = -2; round < rounds; round++)
		// In turns, and each second round the other way round, so that drift of the machine falls on both.
		for (const host of round % 2 === 0 ? [minimal, generated] : [generated, minimal]) {
			const pid = proxies.get(host)?.pid ?? 0;
			const cpuBeforeMs = cpuMsOf(pid);
			const sent = await send(host, upstream.ip);
			if (sent.failed > 0) throw new Error(`${host.name}: ${sent.failed} of ${sent.requests} requests failed`);
			if (round < 0) continue;
			const into = measured.get(host);
			into?.p50Us.push(sent.latencyUs.p50);
			into?.p99Us.push(sent.latencyUs.p99);
			into?.meanUs.push(sent.latencyUs.mean);
			into?.cpuUs.push(((cpuMsOf(pid) - cpuBeforeMs) * 1000) / sent.requests);
		}
	report(measured.get(minimal), measured.get(generated));
}

function report(minimal: Measured | undefined, generated: Measured | undefined): void {
	if (!minimal || !generated) throw new Error("nothing measured");
	const rows: BenchRow[] = [];
	for (const [what, field] of [
		["latency mean", "meanUs"],
		["latency p50", "p50Us"],
		["latency p99", "p99Us"],
		["proxy CPU a request", "cpuUs"],
	] as const) {
		rows.push({ what: `${what}, hand-written`, unit: "us", spread: spreadOf(minimal[field]) });
		rows.push({ what: `${what}, generated`, unit: "us", spread: spreadOf(generated[field]) });
		const extraPercent = generated[field].map(
			(value, round) => 100 * (value / (minimal[field][round] ?? Number.NaN) - 1),
		);
		rows.push({ what: `${what}, extra`, unit: "%", spread: spreadOf(extraPercent), target: "median <= 5" });
	}
	reportBench("hop", rows);
}

interface Sent {
	readonly requests: number;
	readonly failed: number;
	readonly latencyUs: { readonly p50: number; readonly p99: number; readonly mean: number };
}

async function send(host: Host, to: string): Promise<Sent> {
	const script = join(import.meta.dirname, "support/raw-http-client.ts");
	const args = [to, String(port), authority, String(connections), String(requestsPerRound)];
	const { stdout } = await run("nsenter", [
		`--net=${host.netns}`,
		"--",
		process.execPath,
		"--no-warnings",
		script,
		...args,
	]);
	return JSON.parse(stdout) as Sent;
}

async function untilServing(hosts: readonly Host[], to: string): Promise<void> {
	for (const host of hosts)
		for (let attempt = 0; ; attempt++) {
			const { stdout } = await run("nsenter", [
				`--net=${host.netns}`,
				"--",
				"curl",
				"-s",
				"-o",
				"/dev/null",
				"-w",
				"%{http_code}",
				"-H",
				`Host: ${authority}`,
				`http://${to}:${port}/`,
			]).catch(() => ({ stdout: "000" }));
			if (stdout === "200") break;
			if (attempt > 100) throw new Error(`${host.name} does not serve: ${stdout}`);
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
}

function startEnvoy(host: Host, name: string, bootstrap: object): ChildProcess {
	const path = join(rig.directory, `${name}.json`);
	writeFileSync(path, JSON.stringify(bootstrap), { mode: 0o644 });
	const { file, args } = envoyCommand({
		envoy: envoyBinary,
		netns: host.netns,
		bootstrap: path,
		concurrency: 1,
		transparent: false,
		logLevel: "error",
	});
	const child = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
	children.push(child);
	return child;
}

/** The generated configuration of a sidecar in that namespace, served over a Unix socket; returns Envoy's bootstrap. */
async function servedConfig(host: Host, upstreamIp: string): Promise<object> {
	const { objects, problems } = readResources([{ path: "hop.yaml", text: meshYaml(upstreamIp) }]);
	if (problems.some((problem) => problem.severity === "error")) throw new Error(JSON.stringify(problems));
	const { snapshot } = applyChanges(
		emptySnapshot(),
		objects.map((object) => ({ type: "objectApplied", object })),
	);
	const proxy = aProxy("client", { ipAddresses: [host.ip], interceptionMode: "REDIRECT" });
	const config = generateProxyConfig(proxy, viewFor(snapshot, proxy));
	const socketPath = join(rig.directory, "xds.sock");
	await startXdsServer(
		{ listen: { socketPath } },
		{
			source: { connect: () => ({ ok: true, proxyId: proxy.id }), configFor: () => config, disconnected() {} },
			clock: realClock,
			log: silent,
			metrics,
		},
	);
	await run("chmod", ["777", socketPath]);
	const ads = { ads: {}, resource_api_version: "V3" };
	return {
		node: { id: proxy.id, cluster: "hop" },
		dynamic_resources: {
			ads_config: {
				api_type: "DELTA_GRPC",
				transport_api_version: "V3",
				grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }],
			},
			cds_config: ads,
			lds_config: ads,
		},
		static_resources: {
			clusters: [
				{
					...staticCluster("xds-grpc", { pipe: { path: socketPath } }),
					typed_extension_protocol_options: {
						"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
							"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
							explicit_http_config: { http2_protocol_options: {} },
						},
					},
				},
			],
		},
	};
}

function meshYaml(upstreamIp: string): string {
	return `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: ${upstreamIp}, ports: [{name: http, port: ${port}}], selector: {app: reviews}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-1, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: http, port: ${port}}]
endpoints: [{addresses: [${upstreamIp}], conditions: {ready: true}}]
`;
}

function minimalConfig(upstreamIp: string): object {
	return {
		static_resources: {
			listeners: [httpListener("outbound", 15_001, { route: { cluster: "upstream", timeout: "0s" } })],
			clusters: [staticCluster("upstream", socketAddress(upstreamIp, port))],
		},
	};
}

function fixedAnswer(): object {
	return {
		static_resources: {
			listeners: [
				httpListener("upstream", port, { direct_response: { status: 200, body: { inline_string: "x".repeat(1024) } } }),
			],
		},
	};
}

function httpListener(name: string, listenPort: number, action: object): object {
	return {
		name,
		address: socketAddress("0.0.0.0", listenPort),
		filter_chains: [
			{
				filters: [
					{
						name: "envoy.filters.network.http_connection_manager",
						typed_config: {
							"@type":
								"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
							stat_prefix: name,
							http_filters: [
								{
									name: "router",
									typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
								},
							],
							route_config: {
								virtual_hosts: [{ name, domains: ["*"], routes: [{ match: { prefix: "/" }, ...action }] }],
							},
						},
					},
				],
			},
		],
	};
}

function staticCluster(name: string, address: object): object {
	return {
		name,
		type: "STATIC",
		connect_timeout: "1s",
		load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
	};
}

function socketAddress(address: string, portValue: number): object {
	return { socket_address: { address, port_value: portValue } };
}
