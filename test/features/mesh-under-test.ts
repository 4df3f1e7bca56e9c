// One real Envoy with the clusters, endpoints and routes generated from a view, and real HTTP servers behind it. What xDS
// would bring is in its bootstrap, so that nothing but the generated configuration is under test. All on loopback.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { generateOutboundClusters } from "../../src/envoy/cluster/outbound-clusters.ts";
import { packAny } from "../../src/envoy/encode-resource.ts";
import { endpointPart } from "../../src/envoy/endpoint/endpoint-part.ts";
import { envoyPath } from "../../src/envoy/envoy-validates.testing.ts";
import { BootstrapSchema } from "../../src/envoy/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import {
	type Cluster,
	Cluster_DiscoveryType,
	ClusterSchema,
} from "../../src/envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/envoy/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { RouteConfigurationSchema } from "../../src/envoy/gen/envoy/config/route/v3/route_pb.ts";
import { CorsSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { RouterSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "../../src/envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { generateOutboundRoutes } from "../../src/envoy/route/outbound-routes.ts";
import { decoded, named } from "../../src/envoy/views.testing.ts";
import type { EndpointsView, OutboundView } from "../../src/model/view.ts";

export interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
	/** What the server behind Envoy saw; undefined when Envoy answered by itself. */
	readonly seen?: {
		readonly server: string;
		readonly method: string;
		readonly path: string;
		readonly headers: IncomingHttpHeaders;
		/** Tells connections apart. */
		readonly clientPort: number;
	};
	readonly tookMs: number;
}

export interface Ask {
	readonly method?: string;
	readonly path?: string;
	readonly headers?: Readonly<Record<string, string>>;
}

export interface Upstream {
	readonly port: number;
	/** Requests that came, by path. */
	readonly requests: Map<string, number>;
	close(): Promise<void>;
}

/**
 * Says what it saw. `/status/503` answers so; `/flaky` answers 503 to every request of a kind (header `x-kind`) but the
 * last of three; `/slow` takes a second. One that `fails` answers 503 to everything.
 */
export async function startUpstream(server: string, behaviour: "answers" | "fails" = "answers"): Promise<Upstream> {
	const requests = new Map<string, number>();
	const http = createServer(async (incoming, outgoing) => {
		const { method, headers, url: path = "" } = incoming;
		const count = (requests.get(path) ?? 0) + 1;
		requests.set(path, count);
		if (path.startsWith("/slow")) await sleep(1000);
		const status = behaviour === "fails" ? 503 : statusFor(path, count);
		outgoing.writeHead(status, { "content-type": "application/json", "x-server": server });
		outgoing.end(JSON.stringify({ server, method, path, headers, clientPort: incoming.socket.remotePort }));
	});
	http.listen(0, "127.0.0.1");
	await once(http, "listening");
	const close = async (): Promise<void> => {
		http.closeAllConnections();
		http.close();
		await once(http, "close");
	};
	return { port: (http.address() as AddressInfo).port, requests, close };
}

function statusFor(path: string, count: number): number {
	if (path.startsWith("/status/")) return Number(path.split("/")[2]);
	return path.startsWith("/flaky") && count < 3 ? 503 : 200;
}

export interface RunningEnvoy {
	ask(host: string, ask?: Ask): Promise<Answer>;
	close(): Promise<void>;
}

/** Serves one route table of the view on a port of its own. */
export async function startEnvoy(view: OutboundView, endpoints: EndpointsView, table: string): Promise<RunningEnvoy> {
	const directory = await mkdtemp(join(tmpdir(), "keepmesh-feature-"));
	const bootstrapFile = join(directory, "bootstrap.pb");
	const adminFile = join(directory, "admin");
	await writeFile(bootstrapFile, toBinary(BootstrapSchema, bootstrapOf(view, endpoints, table)));
	const options = ["-c", bootstrapFile, "--admin-address-path", adminFile, "-l", "error", "--concurrency", "1"];
	const envoy = spawn(envoyPath, [...options, "--disable-hot-restart"], { stdio: ["ignore", "ignore", "inherit"] });
	const close = async (): Promise<void> => {
		if (envoy.exitCode === null && envoy.signalCode === null) {
			envoy.kill("SIGKILL");
			await once(envoy, "exit");
		}
		await rm(directory, { recursive: true });
	};
	try {
		const port = await listeningPort(envoy, adminFile);
		return { ask: (host, ask = {}) => askThrough(port, host, ask), close };
	} catch (error) {
		await close();
		throw error;
	}
}

async function listeningPort(envoy: ChildProcess, adminFile: string): Promise<number> {
	const endMs = performance.now() + 30_000;
	while (performance.now() < endMs) {
		if (envoy.exitCode !== null) throw new Error(`Envoy exited with ${envoy.exitCode}`);
		await sleep(10);
		if (!existsSync(adminFile)) continue;
		const [, adminPort] = (await readFile(adminFile, "utf8")).split(":");
		const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`).catch(() => undefined);
		if (ready?.status !== 200) continue;
		const listeners = await (await fetch(`http://127.0.0.1:${adminPort}/listeners`)).text();
		return Number(listeners.match(/127\.0\.0\.1:(\d+)/)?.[1]);
	}
	throw new Error("Envoy is not ready after 30 s");
}

async function askThrough(port: number, host: string, { method, path, headers }: Ask): Promise<Answer> {
	const start = performance.now();
	const outgoing = request({
		port,
		host: "127.0.0.1",
		method: method ?? "GET",
		path: path ?? "/",
		headers: { host, ...headers },
	});
	outgoing.end();
	const [incoming] = await once(outgoing, "response");
	const body = await text(incoming);
	return {
		status: incoming.statusCode,
		headers: incoming.headers,
		body,
		...(incoming.headers["x-server"] !== undefined && { seen: JSON.parse(body) }),
		tookMs: performance.now() - start,
	};
}

function bootstrapOf(view: OutboundView, endpoints: EndpointsView, table: string) {
	const assignments = endpointPart(view.services, endpoints, { mesh: view.mesh }).resources;
	const clusters = generateOutboundClusters(view).map((resource): Cluster => {
		const cluster = decoded(ClusterSchema, resource);
		const assignment = assignments.get(resource.name);
		if (assignment === undefined) return cluster;
		cluster.clusterDiscoveryType = { case: "type", value: Cluster_DiscoveryType.STATIC };
		cluster.loadAssignment = decoded(ClusterLoadAssignmentSchema, assignment);
		cluster.edsClusterConfig = undefined;
		return cluster;
	});
	const filter = (name: string, value: ReturnType<typeof packAny>) => ({
		name: `envoy.filters.http.${name}`,
		configType: { case: "typedConfig" as const, value },
	});
	const manager = packAny(HttpConnectionManagerSchema, {
		statPrefix: "feature",
		routeSpecifier: {
			case: "routeConfig",
			value: decoded(RouteConfigurationSchema, named(generateOutboundRoutes(view), table)),
		},
		httpFilters: [
			filter("fault", packAny(HTTPFaultSchema, {})),
			filter("cors", packAny(CorsSchema, {})),
			filter("router", packAny(RouterSchema, {})),
		],
	});
	return create(BootstrapSchema, {
		admin: { address: loopback },
		staticResources: {
			clusters,
			listeners: [
				{
					name: table,
					address: loopback,
					filterChains: [
						{
							filters: [
								{
									name: "envoy.filters.network.http_connection_manager",
									configType: { case: "typedConfig", value: manager },
								},
							],
						},
					],
				},
			],
		},
	});
}

const loopback = {
	address: {
		case: "socketAddress" as const,
		value: { address: "127.0.0.1", portSpecifier: { case: "portValue" as const, value: 0 } },
	},
};
