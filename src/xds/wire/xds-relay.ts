// The relay of one machine: its Envoys talk delta ADS to a Unix socket here, and the relay to whichever control plane lives.
// An Envoy's stream does not break when control planes come and go.

import { chmodSync, chownSync, rmSync } from "node:fs";
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { HotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type {
	RelayCache,
	RelayRevisions,
	RelayStreamOptions,
	RelayStreamStatus,
	TrustBundleDelivery,
	UpstreamGroup,
} from "./relay-options.ts";
import { RelayStream } from "./relay-stream.ts";
import { watchUpstreams } from "./upstream-watch.ts";
import type { AdsClientOptions } from "./xds-client.ts";

export interface XdsRelayOptions {
	/** Made with mode 0600; an old socket of the same name is replaced. */
	readonly socketPath: string;
	/** Who may connect: the user that the Envoys run as. Default: the relay's own user. */
	readonly owner?: { readonly uid: number; readonly gid: number };
	/** Control planes, tried in order from a random one on. At least one. */
	readonly upstreams: UpstreamGroup["upstreams"];
	/** Where proxies have control planes of their own. Default: `upstreams` serve all. */
	readonly groupOf?: (proxyId: string) => UpstreamGroup;
	/** Asked before each connection, so that renewed certificates are used; undefined: not now. Absent: plaintext. */
	readonly tls?: () => AdsClientOptions["tls"] | undefined;
	/** Which node ids may connect. Default: all. */
	readonly admit?: (nodeId: string) => boolean;
	/** When given, the relay asks for each proxy's name table itself and hands it over: an encoded NameTable. */
	readonly onNameTable?: (proxyId: string, bytes: Uint8Array) => void;
	/** When given, the relay asks for what may be done when a proxy fails, and hands it over. */
	readonly onHotSwitchPolicy?: (proxyId: string, policy: HotSwitchPolicy) => void;
	/** When given, the relay asks for each proxy's trust bundle, and confirms it only when it is told to. */
	readonly onTrustBundle?: (delivery: TrustBundleDelivery) => void;
	/** When given, a proxy that starts while no control plane can be reached gets what it accepted last. */
	readonly cache?: RelayCache;
	/** Default: what came is remembered as long as the proxy's stream stands. */
	readonly revisions?: RelayRevisions;
	/** Default 4 MiB. */
	readonly maxRequestBytes?: number;
	/** Wait after a loss, doubled each time that no control plane answers. Default 50 ms to 5,000 ms. */
	readonly backoffMs?: RelayStreamOptions["backoffMs"];
	/** Default: connect within 2,000 ms, ping each 2,000 ms, answered within 2,000 ms. */
	readonly liveness?: RelayStreamOptions["liveness"];
}

export interface XdsRelay {
	status(): readonly RelayStreamStatus[];
	/** Streams that wait before they try a control plane again try now. */
	retryNow(): void;
	/** Proxies may have other control planes than before. */
	regroup(): void;
	/**
	 * Machines have gone silent: control planes that do not answer within half a second are left for the next, those on these machines
	 * at once.
	 */
	doubt(silentHosts?: readonly string[]): void;
	/** Serves a connection that was accepted elsewhere, to this one proxy and no other. */
	accept(socket: Socket, proxyId: string): void;
	close(): Promise<void>;
}

const deltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

const hurryWithinMs = 100;
const doubtMs = 500;

export async function startXdsRelay(
	options: XdsRelayOptions,
	deps: { readonly clock: Clock; readonly log: Log; readonly random?: () => number },
): Promise<XdsRelay> {
	const random = deps.random ?? Math.random;
	if (options.upstreams.length === 0) throw new Error("the relay needs at least one control plane");
	const streamOptions = {
		groupOf: options.groupOf ?? (() => ({ name: "", upstreams: options.upstreams })),
		admit: options.admit ?? (() => true),
		maxRequestBytes: options.maxRequestBytes ?? 4 * 1024 * 1024,
		backoffMs: options.backoffMs ?? { first: 50, most: 5_000 },
		liveness: options.liveness ?? { connectTimeoutMs: 2_000, pingEveryMs: 2_000, pingTimeoutMs: 2_000 },
		...(options.tls && { tls: options.tls }),
		...(options.onNameTable && { onNameTable: options.onNameTable }),
		...(options.onHotSwitchPolicy && { onHotSwitchPolicy: options.onHotSwitchPolicy }),
		...(options.cache && { cache: options.cache }),
		...(options.revisions && { revisions: options.revisions }),
		...(options.onTrustBundle && { onTrustBundle: options.onTrustBundle }),
	};
	const streams = new Set<RelayStream>();
	const watch = watchUpstreams({
		upstreams: () => [...new Set([...streams].flatMap(({ isAlone, upstreams }) => (isAlone ? upstreams : [])))],
		clock: deps.clock,
		onReached: () => {
			// Spread: every machine sees it at the same moment.
			for (const stream of streams) deps.clock.after(hurryWithinMs * random(), () => stream.hurry());
		},
	});
	const connections = new Set<ServerHttp2Session>();
	/** The one proxy that a connection is for, where it came by a door of its own. */
	const owners = new WeakMap<ServerHttp2Session, string>();
	let owner: string | undefined;
	const server = createServer({ settings: { maxConcurrentStreams: 100 }, maxSessionMemory: 256 });
	server.on("session", (session) => {
		connections.add(session);
		if (owner !== undefined) owners.set(session, owner);
		session.on("error", () => {});
		session.on("close", () => connections.delete(session));
	});
	server.on("sessionError", () => {});
	server.on("stream", (http: ServerHttp2Stream, headers) => {
		http.on("error", () => {});
		if (headers[":path"] !== deltaPath) {
			const head = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" };
			return void http.respond({ ...head, "grpc-message": "the relay serves delta ADS only" }, { endStream: true });
		}
		const firstUpstream = random();
		const only = http.session ? owners.get(http.session as ServerHttp2Session) : undefined;
		const stream: RelayStream = new RelayStream(
			http,
			{
				...streamOptions,
				admit: (nodeId) => streamOptions.admit(nodeId) && (only === undefined || only === nodeId),
				firstUpstream,
				onAlone: () => watch.start(),
				isSuperseded: () => newestOf(streams, stream.nodeId) !== stream,
			},
			{ clock: deps.clock, log: deps.log, random },
			() => {
				streams.delete(stream);
				// One that had made way for it has the proxy again.
				newestOf(streams, stream.nodeId)?.retryNow();
			},
		);
		streams.add(stream);
	});
	rmSync(options.socketPath, { force: true });
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(options.socketPath, resolve);
	});
	chmodSync(options.socketPath, 0o600);
	if (options.owner) chownSync(options.socketPath, options.owner.uid, options.owner.gid);
	return {
		status: () =>
			[...streams].filter((stream) => newestOf(streams, stream.nodeId) === stream).map((stream) => stream.status()),
		retryNow: () => {
			for (const stream of streams) stream.retryNow();
		},
		regroup: () => {
			for (const stream of streams) stream.regroup();
		},
		doubt: (silentHosts = []) => {
			const silent = new Set(silentHosts);
			for (const stream of streams) stream.doubt(doubtMs, silent);
		},
		accept(socket, proxyId) {
			// The session of a connection is made while it is being told.
			owner = proxyId;
			server.emit("connection", socket);
			owner = undefined;
		},
		async close() {
			watch.stop();
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			for (const stream of streams) stream.close(14, "the relay shuts down");
			for (const session of connections) session.close();
			const cancel = deps.clock.after(100, () => {
				for (const session of connections) session.destroy();
			});
			await closed;
			cancel();
			rmSync(options.socketPath, { force: true });
		},
	};
}

/** Of one proxy's: it has two while one Envoy hands over to another. */
function newestOf(streams: ReadonlySet<RelayStream>, nodeId: string): RelayStream | undefined {
	let newest: RelayStream | undefined;
	for (const stream of streams) if (stream.nodeId === nodeId) newest = stream;
	return newest;
}
