// The control plane, put together: files -> changes -> control plane -> xDS servers, and the API beside them.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Authority, openAuthority } from "../identity/authority/authority.ts";
import { createCertificate, workloadIdentityHeader } from "../identity/authority/certificate-service.ts";
import { createCertificatePath } from "../identity/certificate-service-codec.ts";
import { readResourceFile } from "../resources/read-resources.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { createMetrics } from "../runtime/metrics.ts";
import { proxyFromNode } from "../snapshot/proxy-from-node.ts";
import { type FilesSource, startFilesSource } from "../sources/files/files-source.ts";
import { controlMetrics, withPilotNames } from "../telemetry/control-metrics.ts";
import type { ConfigSource, XdsServer } from "../xds/wire/config-source.ts";
import type { UnaryHandler } from "../xds/wire/unary-service.ts";
import { startXdsServer, type XdsServerOptions } from "../xds/wire/xds-server.ts";
import { type ApiServer, startApiServer } from "./api/api-server.ts";
import { controlRoutes } from "./api/control-routes.ts";
import { ControlPlane, type ControlPlaneOptions } from "./control/control-plane.ts";
import { MeshProblems } from "./control/mesh-problems.ts";
import { ResourceEditor } from "./control/resource-editor.ts";

export interface HostPort {
	readonly host: string;
	/** 0: any free port. */
	readonly port: number;
}

export interface ControlOptions extends ControlPlaneOptions {
	/** Name of this replica. */
	readonly id: string;
	readonly version: string;
	/** Directories or files; what `apply` adds goes into the first directory. */
	readonly resources: readonly string[];
	/** Where this replica's state lives, and, unless `caDirectory` says otherwise, its certificate authority in `ca`. */
	readonly dataDirectory?: string;
	/** Of the certificate authority: replicas that share it share one root. With no directory nothing is signed. */
	readonly caDirectory?: string;
	readonly trustDomain: string;
	/** Plaintext xDS, off when absent. */
	readonly insecureXds?: HostPort;
	readonly xdsSocket?: string;
	readonly api: HostPort;
	/** Names, besides localhost and addresses, under which the API may be called. */
	readonly apiNames?: readonly string[];
}

export interface RunningControl {
	readonly apiPort: number;
	/** Port of the plaintext xDS, when it is on. */
	readonly xdsPort: number | undefined;
	close(): Promise<void>;
}

/** Resolves when everything has been read and every port listens. */
export async function startControl(
	options: ControlOptions,
	parts: { log: Log; clock?: Clock },
): Promise<RunningControl> {
	const { log } = parts;
	const clock = parts.clock ?? realClock;
	const startedMs = clock.wallMs();
	const metrics = createMetrics({ process: true });
	const counted = controlMetrics(metrics);
	const servers: XdsServer[] = [];
	let isReady = false;
	let isClosing = false;

	const control = new ControlPlane(options, {
		clock,
		log,
		metrics: counted,
		onPublished: (proxyIds) => {
			for (const server of servers) server.publish(proxyIds);
		},
	});
	const source: FilesSource = startFilesSource(
		{ roots: options.resources },
		{
			clock,
			read: (text, file) => readResourceFile(file, text),
			onChanges: (changes) => control.change(changes),
			onProblems: (problems) => {
				for (const severity of ["error", "warning"] as const) {
					counted.problems.set(problems.filter((problem) => problem.severity === severity).length, { severity });
				}
				for (const { severity, origin, resource, path, message } of problems.slice(0, 50)) {
					log.warn(
						{ severity, file: origin.file, line: origin.line, resource, path, problem: message },
						"resource problem",
					);
				}
			},
		},
	);
	const problems = new MeshProblems((key) => source.current(key));

	const routes = controlRoutes({
		identity: { id: options.id, version: options.version, startedMs },
		clock,
		control,
		metrics,
		counted,
		readiness: () => (isClosing ? "shutting down" : isReady ? undefined : "resources are still being read"),
		problems: () => problems.of(control.snapshot, source.problems()),
		fileProblems: () => source.problems(),
		origin: (key) => source.current(key)?.origin,
		sessions: () => servers.flatMap((server) => server.sessions()),
		editor: new ResourceEditor(options.resources, source),
	});
	let api: ApiServer | undefined;
	const close = async (): Promise<void> => {
		isClosing = true;
		source.close();
		await Promise.all(servers.map((server) => server.close()));
		control.close();
		await api?.close();
	};
	try {
		api = await startApiServer(
			{ ...options.api, ...(options.apiNames ? { allowedHosts: options.apiNames } : {}) },
			routes,
			log,
		);
		const plain = await startServing();
		isReady = true;
		log.info({ id: options.id, api: api.port, version: options.version }, "control plane ready");
		return {
			apiPort: api.port,
			xdsPort: plain && "port" in plain.address ? plain.address.port : undefined,
			async close() {
				await close();
				log.info({ id: options.id }, "control plane stopped");
			},
		};
	} catch (error) {
		await close();
		throw error;
	}

	/** Reads everything, then opens the doors to proxies; resolves to the plaintext server. */
	async function startServing(): Promise<XdsServer | undefined> {
		const readStartMs = clock.monotonicMs();
		await source.ready;
		control.flush();
		log.info({ tookMs: Math.round(clock.monotonicMs() - readStartMs), resources: options.resources }, "resources read");

		const services = certificateServices(options, clock);
		const holders = new Map<string, number>();
		const startServer = async (listen: XdsServerOptions["listen"]): Promise<XdsServer> => {
			const server = await startXdsServer(
				{ listen, ...(services ? { services } : {}) },
				{ source: configSource(control, holders), clock, log, metrics: withPilotNames(metrics) },
			);
			servers.push(server);
			log.info({ address: server.address }, "xds listens");
			return server;
		};
		const plain = options.insecureXds ? await startServer(options.insecureXds) : undefined;
		if (options.xdsSocket) await startServer({ socketPath: options.xdsSocket });
		return plain;
	}
}

/** One for each server; a proxy is gone when no server holds a stream of it. */
function configSource(control: ControlPlane, holders: Map<string, number>): ConfigSource {
	const own = new Set<string>();
	return {
		connect(node) {
			const { region, zone, subZone } = node.locality;
			const made = proxyFromNode({
				id: node.id,
				metadata: node.metadata,
				locality: { region, zone, subzone: subZone },
			});
			if (!made.ok) return { ok: false, grpcStatus: 3, because: made.because };
			const proxyId = made.proxy.id;
			if (!own.has(proxyId)) holders.set(proxyId, (holders.get(proxyId) ?? 0) + 1);
			own.add(proxyId);
			control.connect(made.proxy);
			return { ok: true, proxyId };
		},
		configFor: (proxyId) => control.configFor(proxyId),
		disconnected(proxyId) {
			own.delete(proxyId);
			const left = (holders.get(proxyId) ?? 1) - 1;
			if (left > 0) holders.set(proxyId, left);
			else {
				holders.delete(proxyId);
				control.disconnect(proxyId);
			}
		},
	};
}

/** Signing of workload certificates, on the xDS port as Istio has it. */
function certificateServices(options: ControlOptions, clock: Clock): ReadonlyMap<string, UnaryHandler> | undefined {
	const { dataDirectory, caDirectory } = options;
	const directory = caDirectory ?? (dataDirectory === undefined ? undefined : join(dataDirectory, "ca"));
	if (directory === undefined) return undefined;
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	const authority: Authority = openAuthority({
		directory,
		trustDomain: options.trustDomain,
		wallMs: () => clock.wallMs(),
	});
	const handler: UnaryHandler = ({ message, peer, headers }) => {
		const header = headers[workloadIdentityHeader];
		const claimed = peer.uri ?? (typeof header === "string" ? header : undefined);
		return createCertificate(authority, message, claimed, options.trustDomain);
	};
	return new Map([[createCertificatePath, handler]]);
}
