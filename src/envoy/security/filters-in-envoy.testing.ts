// A real Envoy on loopback whose listeners hold given HTTP filters, in front of a server that tells what it received. One
// process for all cases of a test.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { packAny } from "../encode-resource.ts";
import { envoyPath } from "../envoy-validates.testing.ts";
import { BootstrapSchema } from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import type { ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { AddressSchema } from "../gen/envoy/config/core/v3/address_pb.ts";
import type { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import type { RouteSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { RouterSchema } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import {
	HttpConnectionManagerSchema,
	type HttpFilter,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { MessageFields } from "../message-fields.ts";

export interface FilteredListener {
	readonly filters: readonly HttpFilter[];
	/** In front of the route to the server. */
	readonly routes?: readonly MessageInitShape<typeof RouteSchema>[];
}

export interface FilteredAnswer {
	readonly status: number;
	readonly body: string;
	/** What the server behind received; empty when the request did not get there. */
	readonly received: IncomingHttpHeaders;
	readonly receivedPath: string;
}

export class FiltersInEnvoy {
	readonly #directory: string;
	readonly #envoy: ChildProcess;
	readonly #server: Server;
	readonly #adminPort: number;
	readonly #ports: ReadonlyMap<string, number>;
	readonly #stderr: () => string;

	private constructor(parts: {
		readonly directory: string;
		readonly envoy: ChildProcess;
		readonly server: Server;
		readonly adminPort: number;
		readonly ports: ReadonlyMap<string, number>;
		readonly stderr: () => string;
	}) {
		this.#directory = parts.directory;
		this.#envoy = parts.envoy;
		this.#server = parts.server;
		this.#adminPort = parts.adminPort;
		this.#ports = parts.ports;
		this.#stderr = parts.stderr;
	}

	static async start(listeners: Readonly<Record<string, FilteredListener>>): Promise<FiltersInEnvoy> {
		const server = createServer((incoming, response) => {
			response.end(JSON.stringify({ headers: incoming.headers, path: incoming.url }));
		});
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-filters-"));
		const bootstrap = create(BootstrapSchema, {
			admin: { address: loopback(0) },
			staticResources: {
				clusters: [cluster((server.address() as AddressInfo).port)],
				listeners: Object.entries(listeners).map(([name, filtered]) => listener(name, filtered)),
			},
		});
		const file = join(directory, "bootstrap.pb");
		writeFileSync(file, toBinary(BootstrapSchema, bootstrap));
		const adminFile = join(directory, "admin");
		const envoy = spawn(
			envoyPath,
			["-c", file, "-l", "warning", "--disable-hot-restart", "--concurrency", "1", "--admin-address-path", adminFile],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		let stderr = "";
		envoy.stderr?.on("data", (bytes: Buffer) => {
			stderr += bytes;
		});
		const parts = { directory, envoy, server, stderr: () => stderr };
		try {
			const adminPort = await portFrom(adminFile, envoy, () => stderr);
			const ports = await portsOf(adminPort);
			return new FiltersInEnvoy({ ...parts, adminPort, ports });
		} catch (error) {
			const { exitCode, signalCode } = envoy;
			await new FiltersInEnvoy({ ...parts, adminPort: 0, ports: new Map() }).close();
			throw new Error(`Envoy did not start (${exitCode ?? signalCode ?? "running"}): ${stderr}`, { cause: error });
		}
	}

	get isRunning(): boolean {
		return this.#envoy.exitCode === null && this.#envoy.signalCode === null;
	}

	get stderr(): string {
		return this.#stderr();
	}

	async ask(
		name: string,
		ask: { readonly path?: string; readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
	): Promise<FilteredAnswer> {
		const port = this.#ports.get(name);
		if (port === undefined) throw new Error(`no listener ${name}`);
		const { path = "/", method = "GET", headers = {} } = ask;
		const answer = await get(port, path, method, headers);
		let received: { headers: IncomingHttpHeaders; path: string } | undefined;
		if (answer.body.startsWith("{")) received = JSON.parse(answer.body);
		return { ...answer, received: received?.headers ?? {}, receivedPath: received?.path ?? "" };
	}

	/** Envoy's counters and gauges whose name matches, by name. */
	async stats(filter: string): Promise<ReadonlyMap<string, number>> {
		const { body } = await get(this.#adminPort, `/stats?filter=${encodeURIComponent(filter)}`, "GET", {});
		const lines = body.split("\n").filter((line) => line.includes(": "));
		return new Map(lines.map((line) => line.split(": ") as [string, string]).map(([name, n]) => [name, Number(n)]));
	}

	async close(): Promise<void> {
		this.#server.close();
		this.#server.closeAllConnections();
		if (this.isRunning) {
			const ended = once(this.#envoy, "exit");
			this.#envoy.kill("SIGKILL");
			await ended;
		}
		rmSync(this.#directory, { recursive: true, force: true });
	}
}

function loopback(portValue: number): MessageFields<typeof AddressSchema> {
	return {
		address: {
			case: "socketAddress",
			value: { address: "127.0.0.1", portSpecifier: { case: "portValue", value: portValue } },
		},
	};
}

function cluster(port: number): MessageFields<typeof ClusterSchema> {
	const address = loopback(port);
	return {
		name: "server",
		loadAssignment: {
			clusterName: "server",
			endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: "endpoint", value: { address } } }] }],
		},
	};
}

function listener(name: string, { filters, routes }: FilteredListener): MessageFields<typeof ListenerSchema> {
	const toServer: MessageFields<typeof RouteSchema> = {
		match: { pathSpecifier: { case: "prefix", value: "/" } },
		action: { case: "route", value: { clusterSpecifier: { case: "cluster", value: "server" } } },
	};
	const router = packAny(RouterSchema, {});
	const manager = packAny(HttpConnectionManagerSchema, {
		statPrefix: name,
		routeSpecifier: {
			case: "routeConfig",
			value: { virtualHosts: [{ name: "all", domains: ["*"], routes: [...(routes ?? []), toServer] }] },
		},
		httpFilters: [
			...filters,
			{ name: "envoy.filters.http.router", configType: { case: "typedConfig", value: router } },
		],
	});
	const filter = {
		name: "envoy.filters.network.http_connection_manager",
		configType: { case: "typedConfig", value: manager },
	} as const;
	return { name, address: loopback(0), filterChains: [{ filters: [filter] }] };
}

async function portFrom(file: string, envoy: ChildProcess, stderr: () => string): Promise<number> {
	for (let attempt = 0; attempt < 1000; attempt++) {
		if (envoy.exitCode !== null) throw new Error(`Envoy exited with ${envoy.exitCode}: ${stderr()}`);
		let text = "";
		try {
			text = readFileSync(file, "utf8");
		} catch {
			// Not written yet.
		}
		const port = Number(text.trim().split(":").at(-1));
		if (port > 0) return port;
		await sleep(10);
	}
	throw new Error(`Envoy does not start: ${stderr()}`);
}

async function portsOf(adminPort: number): Promise<ReadonlyMap<string, number>> {
	for (let attempt = 0; attempt < 500; attempt++) {
		if ((await get(adminPort, "/ready", "GET", {})).status === 200) {
			const { body } = await get(adminPort, "/listeners", "GET", {});
			return new Map(
				body
					.split("\n")
					.filter((line) => line !== "")
					.map((line) => [line.slice(0, line.indexOf("::")), Number(line.split(":").at(-1))]),
			);
		}
		await sleep(10);
	}
	throw new Error("Envoy is not ready");
}

async function get(
	port: number,
	path: string,
	method: string,
	headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly body: string }> {
	const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
	outgoing.end();
	const [incoming] = await once(outgoing, "response");
	return { status: incoming.statusCode, body: await textOf(incoming) };
}
