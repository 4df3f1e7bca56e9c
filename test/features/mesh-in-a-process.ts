// A proxy as it runs in a mesh: a real Envoy in its own network namespace, behind the real redirect, fed over delta ADS by
// the project's server with what the texts of resources lead to. Around it: other hosts, on which tests put servers.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import type { Socket, Server as TcpServer } from "node:net";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { generateBootstrap } from "../../src/envoy/bootstrap/bootstrap.ts";
import { findDanglingReferences } from "../../src/envoy/find-dangling-references.ts";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import { type WorkloadKeyPair, workloadSecrets } from "../../src/envoy/secret/workload-secrets.ts";
import { planRedirect } from "../../src/hotswitch/redirect-plan.ts";
import { renderRedirect } from "../../src/hotswitch/render-redirect.ts";
import { applyRedirect } from "../../src/kernel/namespace-redirect.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { envoyAdmin } from "../../src/node/envoy-admin.ts";
import { createRig, envoyBinary, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { envoyCommand } from "../../src/node/plan/envoy-command.ts";
import { type AnyObject, keyOf } from "../../src/resources/config-object.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import type { Change } from "../../src/snapshot/change.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import { type ProxyConfig, typeUrls } from "../../src/xds/resource.ts";
import type { XdsServer } from "../../src/xds/wire/config-source.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";
import { listenInNamespace } from "./in-namespace.ts";

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

export interface MeshOptions {
	/** Default `sidecar`. A router has no redirect. */
	readonly type?: "sidecar" | "router";
	readonly interception?: "REDIRECT" | "TPROXY";
	readonly labels?: Readonly<Record<string, string>>;
	/** The workload's certificate, served to its Envoy as its node would. Absent: it has none. */
	readonly certificate?: WorkloadKeyPair;
}

/** A proxy `p` in namespace `default` at 10.77.0.2. */
export class MeshInAProcess {
	readonly proxyHost: Host;
	readonly #rig: Rig;
	readonly #envoy: ChildProcess;
	readonly #xds: XdsServer;
	readonly #servers: TcpServer[] = [];
	readonly #adminSocket: string;
	readonly #publish: (objects: readonly AnyObject[]) => void;

	private constructor(parts: {
		readonly rig: Rig;
		readonly proxyHost: Host;
		readonly envoy: ChildProcess;
		readonly xds: XdsServer;
		readonly adminSocket: string;
		readonly publish: (objects: readonly AnyObject[]) => void;
	}) {
		this.#rig = parts.rig;
		this.proxyHost = parts.proxyHost;
		this.#envoy = parts.envoy;
		this.#xds = parts.xds;
		this.#adminSocket = parts.adminSocket;
		this.#publish = parts.publish;
	}

	/** Envoy is ready with the first resources when this returns. */
	static async start(resources: string, options: MeshOptions = {}): Promise<MeshInAProcess> {
		const rig = createRig();
		try {
			return await MeshInAProcess.#startOn(rig, resources, options);
		} catch (error) {
			rig.close();
			throw error;
		}
	}

	static async #startOn(rig: Rig, resources: string, options: MeshOptions): Promise<MeshInAProcess> {
		chmodSync(rig.directory, 0o777);
		const proxyHost = rig.addHost("proxy", "10.77.0.2");
		const type = options.type ?? "sidecar";
		const interception = options.interception ?? "REDIRECT";
		const id = `${type}~10.77.0.2~p.default~default.svc.cluster.local`;
		const metadata = {
			NAMESPACE: "default",
			LABELS: options.labels ?? { app: "p" },
			INTERCEPTION_MODE: interception,
			...(options.certificate && { KEEPMESH_SDS: "true" }),
		};
		const ownSecrets = options.certificate && workloadSecrets(options.certificate).get(typeUrls.secret);
		const made = proxyFromNode({ id, metadata });
		if (!made.ok) throw new Error(made.because);

		let snapshot: Snapshot = emptySnapshot();
		let applied: readonly AnyObject[] = [];
		let config: ProxyConfig | undefined;
		const use = (objects: readonly AnyObject[]): void => {
			const kept = new Set(objects.map(keyOf));
			const changes: Change[] = [
				...objects.map((object): Change => ({ type: "objectApplied", object })),
				...applied.map(keyOf).flatMap((key): Change[] => (kept.has(key) ? [] : [{ type: "objectRemoved", key }])),
			];
			applied = objects;
			snapshot = applyChanges(snapshot, changes).snapshot;
			config = generateProxyConfig(made.proxy, viewFor(snapshot, made.proxy));
			const dangling = findDanglingReferences(config);
			if (dangling.length > 0) throw new Error(dangling.join("\n"));
			if (ownSecrets) {
				const parts = [...(config.get(typeUrls.secret)?.parts ?? []), ...ownSecrets.parts];
				config = new Map(config).set(typeUrls.secret, { typeUrl: typeUrls.secret, parts });
			}
		};
		use(read(resources));

		const socketPath = join(rig.directory, "xds.sock");
		const xds = await startXdsServer(
			{ listen: { socketPath } },
			{
				source: {
					connect: () => ({ ok: true, proxyId: id }),
					configFor: () => config,
					disconnected: () => {},
				},
				clock: realClock,
				log: silentLog,
				metrics: createMetrics(),
			},
		);
		chmodSync(socketPath, 0o777);
		const adminSocket = join(rig.directory, "admin.sock");
		const bootstrap = join(rig.directory, "bootstrap.json");
		const node = { id, cluster: "p.default", metadata, locality: { region: "", zone: "", subzone: "" } };
		const place = { node, xds: { socketPath }, admin: { socketPath: adminSocket } };
		writeFileSync(bootstrap, JSON.stringify(generateBootstrap(place)));
		if (type === "sidecar") await redirect(proxyHost, interception);
		const { file, args } = envoyCommand({
			envoy: envoyBinary,
			netns: proxyHost.netns,
			bootstrap,
			concurrency: 1,
			transparent: interception === "TPROXY",
			logLevel: "error",
		});
		const envoy = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
		const publish = (objects: readonly AnyObject[]): void => {
			use(objects);
			xds.publish();
		};
		const mesh = new MeshInAProcess({ rig, proxyHost, envoy, xds, adminSocket, publish });
		try {
			await mesh.#ready();
		} catch (error) {
			await mesh.close();
			throw error;
		}
		return mesh;
	}

	addHost(name: string, ip: string): Host {
		return this.#rig.addHost(name, ip);
	}

	/** Replaces all resources, and returns when Envoy has confirmed everything. */
	async use(resources: string): Promise<void> {
		this.#publish(read(resources));
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
	async admin(path: string): Promise<string> {
		return (await envoyAdmin(this.#adminSocket).get(path))?.body ?? "";
	}

	async close(): Promise<void> {
		for (const server of this.#servers) server.close();
		if (this.#envoy.exitCode === null && this.#envoy.signalCode === null) {
			const ended = once(this.#envoy, "exit");
			this.#envoy.kill("SIGKILL");
			await ended;
		}
		await this.#xds.close();
		this.#rig.close();
		rmSync(this.#rig.directory, { recursive: true, force: true });
	}

	async #ready(): Promise<void> {
		const admin = envoyAdmin(this.#adminSocket);
		for (let attempt = 0; attempt < 500; attempt++) {
			if (this.#envoy.exitCode !== null) throw new Error(`Envoy exited with ${this.#envoy.exitCode}`);
			if ((await admin.get("/ready"))?.status === 200) return this.#confirmed();
			this.#throwRejections();
			await sleep(10);
		}
		throw new Error(`Envoy is not ready: ${JSON.stringify(this.#xds.sessions())}`);
	}

	async #confirmed(): Promise<void> {
		for (let attempt = 0; attempt < 1000; attempt++) {
			this.#throwRejections();
			const types = this.#xds.sessions().flatMap((session) => session.types);
			if (types.length > 0 && types.every((type) => type.sync === "SYNCED" || type.resources === 0)) return;
			await sleep(3);
		}
		throw new Error(`Envoy does not confirm: ${JSON.stringify(this.#xds.sessions())}`);
	}

	#throwRejections(): void {
		const errors = this.#xds.sessions().flatMap((session) => session.types.flatMap((type) => type.error ?? []));
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

async function redirect(host: Host, mode: "REDIRECT" | "TPROXY"): Promise<void> {
	const { plan } = planRedirect({ owner: "default/p", mode, ips: [host.ip], annotations: {} });
	const applied = await applyRedirect(host.netns, { ruleset: renderRedirect(plan), ipv6: false, lowPorts: false });
	if (!applied.ok) throw new Error(`${applied.message}: ${applied.hint}`);
}
