// The xDS server: delta and state-of-the-world ADS over HTTP/2, plain or TLS, on a port or a Unix socket. Configuration
// comes from a ConfigSource; each stream is a session of its own.

import type { Http2Session, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import { defaultAdmissionConfig } from "../admission.ts";
import { defaultSessionConfig, type SessionConfig } from "../session.ts";
import type { AppliedOn, ConfigSource, Peer, RefusedResponse, SessionStatus, XdsServer } from "./config-source.ts";
import { HandshakeLimit } from "./handshake-limit.ts";
import { boundAddress, createHttp2, type HttpServerOptions, keepAlive, listen, tlsContext } from "./http2-server.ts";
import { StreamAdmission } from "./stream-admission.ts";
import { type ChainCheck, TlsPeer } from "./tls-peer.ts";
import { type SlowUnaryService, serveUnary, type UnaryService } from "./unary-service.ts";
import { XdsStream, type XdsStreamHandlers } from "./xds-stream.ts";

export interface XdsServerOptions extends HttpServerOptions {
	readonly tls?: XdsServerTls;
	readonly session?: Partial<SessionConfig>;
	/** Calls served beside ADS on the same port, by path. */
	readonly services?: ReadonlyMap<string, UnaryService | SlowUnaryService>;
	/** Largest request. Default 4 MiB, as gRPC has it. */
	readonly maxRequestBytes?: number;
	/** Default 10,000. */
	readonly maxConnections?: number;
	/** TLS connections from one address that have not shown who they are yet. Default 256. */
	readonly maxHandshakesPerAddress?: number;
	/** Connections whose client showed no certificate, where one is asked for; they end after a minute. Default 1,000. */
	readonly maxStrangers?: number;
	/** A stream that does not say who it is in this time is cut off. Default 10,000 ms. */
	readonly firstRequestMs?: number;
	/** Streams are ended after this time, give or take a tenth, so that replicas share the load. 0: never. Default 30 minutes. */
	readonly maxStreamAgeMs?: number;
}

/** With a client certificate asked for, only its holders are served configuration. */
export interface XdsServerTls extends NonNullable<HttpServerOptions["tls"]> {
	/** Looks at the chains of client certificates that OpenSSL accepted. */
	readonly checkChain?: ChainCheck;
}

export interface XdsServerDeps {
	readonly source: ConfigSource;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
	/** A proxy accepted or refused a response: `applications` says which. */
	readonly onAnswered?: (proxyId: string, typeUrl: string) => void;
	/** Before `onAnswered`, when it refused. */
	readonly onRefused?: (proxyId: string, refused: RefusedResponse) => void;
	/** 0 to 1; spreads the ends of streams. Default Math.random. */
	readonly random?: () => number;
}

const tickMs = 1_000;
const ticksPerPeerCheck = 10;
const strangerMs = 60_000;
const waveMs = 50;
const leavesBecause = "this control plane hands over; another one serves";
const deltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const sotwPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
/** Envoy opens one such stream for each secret that does not come by ADS. */
const secretsPath = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";

export async function startXdsServer(options: XdsServerOptions, deps: XdsServerDeps): Promise<XdsServer> {
	const { source, clock, log } = deps;
	const random = deps.random ?? Math.random;
	const maxStreamAgeMs = options.maxStreamAgeMs ?? 30 * 60_000;
	const firstRequestMs = options.firstRequestMs ?? 10_000;
	const metrics = xdsMetrics(deps.metrics);
	/** Every open stream, with the moment when it ends for its age. */
	const streams = new Map<XdsStream, number>();
	const byProxy = new Map<string, Set<XdsStream>>();
	const connections = new Set<ServerHttp2Session>();
	const sockets = new Set<Socket>();
	let isClosing = false;
	let isLeaving = false;
	const admission = new StreamAdmission(defaultAdmissionConfig, clock);

	const handlers: XdsStreamHandlers = {
		admit(stream, node) {
			const connected = source.connect(node, stream.peer);
			if (!connected.ok) {
				log.warn({ node: node.id, peer: stream.peer, because: connected.because }, "xds stream refused");
				return connected;
			}
			const { proxyId } = connected;
			const others = byProxy.get(proxyId) ?? new Set();
			for (const other of others) {
				// gRPC applications open a state-of-the-world stream for each channel; an Envoy has one stream.
				if (stream.protocol !== "delta" || other.protocol !== "delta") continue;
				if (!isSamePeer(other.peer, stream.peer)) {
					log.warn({ node: node.id, peer: stream.peer, holder: other.peer }, "xds node id is in use by another peer");
					return { ok: false, grpcStatus: 6, because: `${node.id} is connected from another address` };
				}
				other.close(10, "a newer stream of the same node took over");
			}
			others.add(stream);
			byProxy.set(proxyId, others);
			metrics.connected.set(byProxy.size);
			log.info({ node: node.id, peer: stream.peer, protocol: stream.protocol }, "xds stream opened");
			return { ok: true, proxyId, config: source.configFor(proxyId) };
		},
		report(stream, action) {
			const type = shortType(action.typeUrl);
			const { proxyId } = stream;
			if (action.type !== "reportConverged" && proxyId !== undefined)
				// After the stream has taken its own step.
				queueMicrotask(() => {
					if (action.type === "reportRejected") deps.onRefused?.(proxyId, action);
					deps.onAnswered?.(proxyId, action.typeUrl);
				});
			switch (action.type) {
				case "reportAcknowledged":
					return metrics.acknowledged.add(1, { type });
				case "reportConverged":
					return metrics.convergence.observe(action.ms / 1000, { type });
				case "reportRejected":
					metrics.rejected.add(1, { type });
					log.warn(
						{ proxy: stream.proxyId, type, message: action.message, resources: action.names.slice(0, 20) },
						"proxy rejected configuration",
					);
					return;
				default:
					return action satisfies never;
			}
		},
		revision: () => source.revision?.(),
		sent: (typeUrl, bytes) => metrics.sentBytes.add(bytes, { type: shortType(typeUrl) }),
		closed(stream, because) {
			streams.delete(stream);
			const { proxyId } = stream;
			if (proxyId === undefined) return;
			const others = byProxy.get(proxyId);
			others?.delete(stream);
			log.info({ node: stream.node?.id, because }, "xds stream closed");
			if (others?.size !== 0) return;
			byProxy.delete(proxyId);
			metrics.connected.set(byProxy.size);
			source.disconnected(proxyId);
		},
	};

	const peers = new WeakMap<Http2Session, TlsPeer>();
	/** Of connections that were accepted elsewhere. */
	const addresses = new WeakMap<Http2Session, string>();
	let acceptedFrom: string | undefined;
	const peerOf = (session: Http2Session | undefined): Peer =>
		(session && peers.get(session)?.at(clock.wallMs(), options.tls?.checkChain)) ?? {
			address: (session && addresses.get(session)) ?? session?.socket?.remoteAddress ?? "unix",
		};

	const strangers = new Set<ServerHttp2Session>();
	/** Without a certificate there is one thing to do, to ask for one: few places, and not for long. */
	function admitStranger(session: ServerHttp2Session): void {
		if (strangers.size >= (options.maxStrangers ?? 1_000)) {
			session.destroy();
			return;
		}
		strangers.add(session);
		const cancel = clock.after(strangerMs, () => session.close());
		session.once("close", () => {
			cancel();
			strangers.delete(session);
		});
	}

	const server = createHttp2(options);
	server.maxConnections = options.maxConnections ?? 10_000;
	server.on("session", (session) => {
		if (isClosing || connections.size >= (options.maxConnections ?? 10_000)) return session.destroy();
		connections.add(session);
		if (acceptedFrom !== undefined) addresses.set(session, acceptedFrom);
		if (options.tls) peers.set(session, new TlsPeer(session.socket as TLSSocket));
		if (options.tls?.asksForCertificate && peerOf(session).uri === undefined) admitStranger(session);
		session.on("error", (error: Error) => log.debug({ because: error.message }, "xds connection failed"));
		session.on("close", () => connections.delete(session));
		keepAlive(session, options, clock);
	});
	server.on("sessionError", () => {});
	const handshakes = new HandshakeLimit(options.maxHandshakesPerAddress ?? 256);
	server.on("connection", (socket: Socket) => {
		sockets.add(socket);
		socket.once("close", () => sockets.delete(socket));
		if (options.tls && !handshakes.begin(socket)) socket.destroy();
	});
	server.on("secureConnection", (socket: TLSSocket) => handshakes.end(socket));
	server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
		log.debug({ peer: socket.remoteAddress, because: error.message }, "tls handshake failed");
		handshakes.end(socket);
	});
	server.on("stream", (http: ServerHttp2Stream, headers) => {
		http.on("error", () => {});
		const path = headers[":path"];
		const peer = peerOf(http.session);
		const maxRequestBytes = options.maxRequestBytes ?? 4 * 1024 * 1024;
		const service = isClosing ? undefined : options.services?.get(path ?? "");
		if (service) {
			const limits = { maxRequestBytes, timeoutMs: firstRequestMs, clock };
			return void serveUnary(http, { peer, headers }, service, limits);
		}
		const protocol = path === deltaPath ? "delta" : path === sotwPath || path === secretsPath ? "sotw" : undefined;
		if (protocol === undefined || isClosing)
			return refuse(http, isClosing ? 14 : 12, isClosing ? "shutting down" : unknownMethod(path ?? ""));
		if (isLeaving) return refuse(http, 14, leavesBecause);
		// A stranger's request is not even read.
		if (options.tls?.asksForCertificate && peer.uri === undefined) return refuse(http, 16, strangerBecause(peer));
		const session = { ...defaultSessionConfig, ...options.session };
		admission.enter(http, () => {
			const stream = new XdsStream(http, { protocol, session, maxRequestBytes, peer }, clock, handlers);
			const endsAtMs = maxStreamAgeMs > 0 ? clock.monotonicMs() + maxStreamAgeMs * (0.9 + 0.2 * random()) : Infinity;
			streams.set(stream, endsAtMs);
		});
	});

	/** A stream may outlive the certificate that opened it, or that certificate's root. */
	function endRefusedPeers(): void {
		for (const stream of streams.keys()) {
			if (stream.peer.uri === undefined) continue;
			const { refusedCertificate } = peerOf(stream.session);
			const because = source.endOf?.(stream.peer);
			if (refusedCertificate !== undefined) stream.close(16, `client certificate refused: ${refusedCertificate}`);
			else if (because !== undefined) stream.close(7, because);
		}
	}

	let ticks = 0;
	let cancelTick = clock.after(tickMs, onTick);
	function onTick(): void {
		const nowMs = clock.monotonicMs();
		if (options.tls && ++ticks % ticksPerPeerCheck === 0) endRefusedPeers();
		for (const [stream, endsAtMs] of streams) {
			if (nowMs >= endsAtMs) stream.close(0, "the stream reached its age; please reconnect");
			else if (stream.proxyId === undefined && nowMs - stream.openedAtMs >= firstRequestMs)
				stream.close(4, "no request came");
			else stream.tick(nowMs);
		}
		cancelTick = clock.after(tickMs, onTick);
	}

	await listen(server, options);
	return {
		address: boundAddress(server, options),
		publish(proxyIds) {
			for (const proxyId of proxyIds ?? byProxy.keys()) {
				const ofProxy = byProxy.get(proxyId);
				const config = ofProxy && source.configFor(proxyId);
				if (config) for (const stream of ofProxy) stream.setConfig(config);
			}
		},
		sessions: () =>
			[...streams.keys()]
				.map((stream) => stream.status())
				.filter((status): status is SessionStatus => status !== undefined),
		appliedOn(name, typeUrl, version) {
			let applied = 0;
			let pending = 0;
			const rejected: AppliedOn["rejected"][number][] = [];
			for (const stream of streams.keys()) {
				if (stream.proxyId === undefined) continue;
				const application = stream.application(typeUrl, name, version);
				if (application.state === "applied") applied++;
				else if (application.state === "pending") pending++;
				else if (application.state === "rejected")
					rejected.push({ proxyId: stream.proxyId, because: application.because });
			}
			return { wanted: applied + pending + rejected.length, applied, rejected };
		},
		hasAnswered: (proxyId, types) => [...(byProxy.get(proxyId) ?? [])].every((stream) => stream.hasAnswered(types)),
		applications: (proxyId, typeUrl, name, version) =>
			[...(byProxy.get(proxyId) ?? [])].map((stream) => stream.application(typeUrl, name, version)),
		replaceTls(context) {
			if (!("setSecureContext" in server)) throw new Error("this server speaks plaintext");
			server.setSecureContext(tlsContext(context));
			endRefusedPeers();
		},
		accept(socket, address) {
			// The session of a connection is made while it is being told.
			acceptedFrom = address;
			server.emit("connection", socket);
			acceptedFrom = undefined;
		},
		async leave(withinMs) {
			isLeaving = true;
			const leaving = [...streams.keys()].sort(() => random() - 0.5);
			const waves = Math.max(1, Math.min(leaving.length, Math.floor(withinMs / waveMs)));
			for (let wave = 0; wave < waves; wave++) {
				const ofWave = leaving.filter((_, index) => index % waves === wave);
				for (const stream of ofWave) stream.close(14, leavesBecause);
				if (wave + 1 < waves) await new Promise<void>((resolve) => clock.after(waveMs, resolve));
			}
		},
		async close() {
			isClosing = true;
			cancelTick();
			admission.close();
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			for (const stream of streams.keys()) stream.close(14, "the control plane shuts down");
			for (const session of connections) session.close();
			// A session that was asked to close waits for the client's end of the connection, which may never come.
			const cancel = clock.after(250, () => {
				for (const socket of sockets) socket.destroy();
			});
			await closed;
			cancel();
		},
	};
}

function strangerBecause({ refusedCertificate }: Peer): string {
	return refusedCertificate === undefined
		? "configuration is served to holders of a certificate of this mesh only"
		: `client certificate refused: ${refusedCertificate}`;
}

function refuse(http: ServerHttp2Stream, grpcStatus: number, because: string): void {
	const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": String(grpcStatus) };
	http.respond({ ...headers, "grpc-message": encodeURIComponent(because) }, { endStream: true });
}

/** Envoys may ask for each type by a service of its own. */
function unknownMethod(path: string): string {
	const oneType = /^\/envoy\.service\.\w+\.v3\.\w+DiscoveryService\//.test(path);
	return `no such method: ${path}${oneType ? "; configuration is served by ADS only: set ads_config, and ads in each config source" : ""}`;
}

/** Behind mutual TLS the certificate says who it is, wherever it calls from. */
function isSamePeer(a: Peer, b: Peer): boolean {
	return a.uri !== undefined || b.uri !== undefined ? a.uri === b.uri : a.address === b.address;
}

/** `Cluster`, as in a metric's label. */
function shortType(typeUrl: string): string {
	return typeUrl.slice(typeUrl.lastIndexOf(".") + 1);
}

function xdsMetrics(metrics: Metrics) {
	const type = ["type"];
	return {
		connected: metrics.gauge("keepmesh_xds_connected_proxies", "Proxies with an open xDS stream."),
		sentBytes: metrics.counter("keepmesh_xds_sent_bytes_total", "Bytes of xDS responses.", type),
		acknowledged: metrics.counter("keepmesh_xds_acks_total", "xDS responses that proxies accepted.", type),
		rejected: metrics.counter("keepmesh_xds_rejects_total", "xDS responses that proxies refused.", type),
		convergence: metrics.histogram(
			"keepmesh_xds_convergence_seconds",
			"From a change of a proxy's configuration to its ACK.",
			[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
			type,
		),
	};
}
