// Proxies as they run in a mesh: real Envoys in network namespaces, behind the real redirect, fed over delta ADS by the
// project's server with what the texts of resources lead to. Around it: other hosts, on which tests put servers.

import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import type { Socket, Server as TcpServer } from "node:net";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { createRig, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { type AnyObject, keyOf } from "../../src/resources/config-object.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import type { Change } from "../../src/snapshot/change.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "../../src/snapshot/snapshot.ts";
import type { XdsServer } from "../../src/xds/wire/config-source.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";
import { listenInNamespace } from "./in-namespace.ts";
import { type ProxyOptions, RunningProxy } from "./running-proxy.ts";

export interface HttpAnswer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
	readonly tookMs: number;
}

export interface HttpAsk {
	readonly host?: string;
	readonly path?: string;
	readonly method?: string;
	readonly headers?: Readonly<Record<string, string>>;
}

export type MeshOptions = ProxyOptions;

/** A proxy `p` in namespace `default` at 10.77.0.2, and others that are added. */
export class MeshInAProcess {
	readonly #rig: Rig;
	readonly #proxies = new Map<string, RunningProxy>();
	readonly #servers: TcpServer[] = [];
	#xds: XdsServer | undefined;
	#first: RunningProxy | undefined;
	#snapshot: Snapshot = emptySnapshot();
	#applied: readonly AnyObject[] = [];

	private constructor(rig: Rig) {
		this.#rig = rig;
	}

	/** Envoy is ready with the first resources when this returns. */
	static async start(resources: string, options: MeshOptions = {}): Promise<MeshInAProcess> {
		const mesh = new MeshInAProcess(createRig());
		try {
			chmodSync(mesh.#rig.directory, 0o777);
			mesh.#apply(resources);
			await mesh.#startXds();
			mesh.#first = await mesh.#startProxy("p", mesh.addHost("proxy", "10.77.0.2"), options);
			return mesh;
		} catch (error) {
			await mesh.close();
			throw error;
		}
	}

	get proxyHost(): Host {
		return this.firstProxy.host;
	}

	/** For files; gone when the mesh is closed. */
	get directory(): string {
		return this.#rig.directory;
	}

	get firstProxy(): RunningProxy {
		if (!this.#first) throw new Error("the mesh has no proxy yet");
		return this.#first;
	}

	/** One more, of a pod with that name in namespace `default`; ready when this returns. */
	addProxy(name: string, ip: string, options: MeshOptions = {}): Promise<RunningProxy> {
		return this.#startProxy(name, this.addHost(name, ip), options);
	}

	async #startXds(): Promise<void> {
		this.#xds = await startXdsServer(
			{ listen: { socketPath: this.#xdsSocket } },
			{
				source: {
					connect: ({ id }) => ({ ok: true, proxyId: id }),
					configFor: (proxyId) => this.#proxies.get(proxyId)?.config,
					disconnected: () => {},
				},
				clock: realClock,
				log: silentLog,
				metrics: createMetrics(),
			},
		);
		chmodSync(this.#xdsSocket, 0o777);
	}

	async #startProxy(name: string, host: Host, options: MeshOptions): Promise<RunningProxy> {
		const proxy = new RunningProxy(name, host, this.#rig.directory, options);
		proxy.generate(this.#snapshot);
		this.#proxies.set(proxy.id, proxy);
		await proxy.start(this.#rig.directory, this.#xdsSocket);
		await proxy.ready(() => this.#throwRejections());
		await this.#confirmed();
		return proxy;
	}

	get #xdsSocket(): string {
		return join(this.#rig.directory, "xds.sock");
	}

	#apply(resources: string): void {
		const objects = read(resources);
		const kept = new Set(objects.map(keyOf));
		const changes: Change[] = [
			...objects.map((object): Change => ({ type: "objectApplied", object })),
			...this.#applied.map(keyOf).flatMap((key): Change[] => (kept.has(key) ? [] : [{ type: "objectRemoved", key }])),
		];
		this.#applied = objects;
		this.#snapshot = applyChanges(this.#snapshot, changes).snapshot;
	}

	addHost(name: string, ip: string): Host {
		return this.#rig.addHost(name, ip);
	}

	/** Replaces all resources, and returns when every Envoy has confirmed everything. */
	async use(resources: string): Promise<void> {
		this.#apply(resources);
		await this.publish();
	}

	/** Sends every proxy what it should have now, a new certificate for example. */
	async publish(): Promise<void> {
		for (const proxy of this.#proxies.values()) proxy.generate(this.#snapshot);
		this.#xds?.publish();
		await this.#confirmed();
	}

	serve(server: TcpServer, host: Host, port: number): void {
		listenInNamespace(server, host.netns, port);
		this.#servers.push(server);
	}

	/** A connection of an application on the host, redirected if the host has a redirect. */
	connect(host: string, port: number, from: Host = this.proxyHost): Promise<Socket> {
		return connectInNamespace(from.netns, { host, port }, 2000);
	}

	async connectTls(host: string, port: number, options: ConnectionOptions, from?: Host): Promise<TLSSocket> {
		const socket = connectTls({ socket: await this.connect(host, port, from), ...options });
		await new Promise<void>((resolve, reject) => {
			socket.once("secureConnect", resolve);
			socket.once("error", reject);
			socket.once("close", () => reject(new Error("closed during the handshake")));
		});
		return socket;
	}

	async http(address: string, port: number, ask: HttpAsk = {}, from?: Host): Promise<HttpAnswer> {
		return httpOver(await this.connect(address, port, from), ask);
	}

	/** The body of an answer of Envoy's admin interface, `/stats?filter=...`. */
	admin(path: string): Promise<string> {
		return this.firstProxy.admin(path);
	}

	async close(): Promise<void> {
		for (const server of this.#servers) server.close();
		for (const proxy of this.#proxies.values()) await proxy.stop();
		await this.#xds?.close();
		this.#rig.close();
		rmSync(this.#rig.directory, { recursive: true, force: true });
	}

	async #confirmed(): Promise<void> {
		// Only to say that it never comes.
		for (const endMs = performance.now() + 30_000; performance.now() < endMs; ) {
			this.#throwRejections();
			const types = this.#sessions().flatMap((session) => session.types);
			if (types.length > 0 && types.every((type) => type.sync === "SYNCED" || type.resources === 0)) return;
			await sleep(3);
		}
		throw new Error(`Envoy does not confirm: ${JSON.stringify(this.#sessions())}`);
	}

	#sessions() {
		return this.#xds?.sessions() ?? [];
	}

	#throwRejections(): void {
		const errors = this.#sessions().flatMap((session) => session.types.flatMap((type) => type.error ?? []));
		if (errors.length > 0) throw new Error(errors.map((error) => error.message).join("\n"));
	}
}

export async function httpOver(socket: Socket, ask: HttpAsk): Promise<HttpAnswer> {
	const start = performance.now();
	const { host = "host.example", path = "/", method = "GET", headers = {} } = ask;
	const outgoing = request({ createConnection: () => socket, path, method, headers: { host, ...headers } });
	outgoing.end();
	const [incoming] = await once(outgoing, "response");
	const body = await textOf(incoming);
	socket.destroy();
	return { status: incoming.statusCode, headers: incoming.headers, body, tookMs: performance.now() - start };
}

function read(yaml: string): readonly AnyObject[] {
	const { objects, problems } = readResourceFile("test.yaml", yaml);
	const errors = problems.filter((problem) => problem.severity === "error");
	if (errors.length > 0) throw new Error(errors.map((one) => `${one.resource} ${one.path}: ${one.message}`).join("\n"));
	return objects;
}
