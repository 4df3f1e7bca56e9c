// The client side of ADS over HTTP/2: opens a stream, hands over whole messages, takes framed ones. It knows nothing of what
// is in them; the relay and the benchmarks do.

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type SecureClientSessionOptions } from "node:http2";
import { connect as connectSocket } from "node:net";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import { FrameReader, frame } from "./grpc-frames.ts";

export interface AdsClientOptions {
	readonly to: { readonly host: string; readonly port: number } | { readonly socketPath: string };
	/** Certificates and the like; absent: plaintext. */
	readonly tls?: SecureClientSessionOptions;
	/** Default delta. */
	readonly protocol?: "delta" | "sotw";
	/** Largest response. Default 64 MiB. */
	readonly maxResponseBytes?: number;
	/** How much the server may send unread. Default 16 MiB. */
	readonly windowBytes?: number;
	/** A connection that does not come about in this time, or does not answer a ping, is given up. Absent: waits for ever. */
	readonly liveness?: {
		readonly clock: Clock;
		readonly connectTimeoutMs: number;
		/** For its machine to take the connection; what the process there has to do may take the rest. Default: as `connectTimeoutMs`. */
		readonly reachTimeoutMs?: number;
		readonly pingEveryMs: number;
		readonly pingTimeoutMs: number;
	};
}

export interface AdsHandlers {
	/** The connection stands, TLS and all. */
	connected?(): void;
	/** The server answered with its headers: the stream stands. */
	opened?(): void;
	message(bytes: Uint8Array): void;
	/** Called once. `grpcStatus` is undefined when the connection broke before the server said one. */
	closed(grpcStatus: number | undefined, because: string): void;
}

export interface AdsStream {
	/** Sends one message made of these pieces. */
	send(...pieces: readonly Uint8Array[]): void;
	/** `why`: what `closed` is told. */
	close(why?: string): void;
	/** Pings it now: without an answer in time it is given up, where connections are watched at all. */
	doubt(withinMs: number): void;
	/** Stops reading, so that the server's window fills. */
	pause(): void;
	resume(): void;
	/** The root that the server's certificate was verified with, DER; undefined without TLS. */
	serverRoot(): Uint8Array | undefined;
}

const service = "/envoy.service.discovery.v3.AggregatedDiscoveryService";

export function openAdsStream(options: AdsClientOptions, handlers: AdsHandlers): AdsStream {
	const { to } = options;
	const windowBytes = options.windowBytes ?? 16 * 1024 * 1024;
	const scheme = options.tls ? "https" : "http";
	const authority = "socketPath" in to ? `${scheme}://localhost` : `${scheme}://${to.host}:${to.port}`;
	let isClosed = false;
	let because = "the server ended the stream";
	let grpcStatus: number | undefined;
	let stream: ClientHttp2Stream | undefined;
	const closed = (): void => {
		if (isClosed) return;
		isClosed = true;
		session.destroy();
		handlers.closed(grpcStatus, because);
	};
	const fail = (error: Error): void => {
		if (grpcStatus === undefined) because = error.message;
	};
	const session: ClientHttp2Session = connect(authority, {
		...options.tls,
		...("socketPath" in to && { createConnection: () => connectSocket(to.socketPath) }),
		settings: { initialWindowSize: windowBytes, enablePush: false },
	});
	session.on("connect", () => {
		// It is told of later than it happens: the attempt may have been given up between.
		if (session.destroyed) return;
		session.setLocalWindowSize(windowBytes);
		handlers.connected?.();
	});
	const askNow = options.liveness && watchLiveness(session, options.liveness, fail);
	session.on("error", fail);
	session.on("close", closed);

	const method = options.protocol === "sotw" ? "StreamAggregatedResources" : "DeltaAggregatedResources";
	stream = session.request(
		{ ":method": "POST", ":path": `${service}/${method}`, "content-type": "application/grpc", te: "trailers" },
		{ endStream: false },
	);
	const frames = new FrameReader(options.maxResponseBytes ?? 64 * 1024 * 1024);
	const readStatus = (headers: NodeJS.Dict<string | string[]>): void => {
		const status = headers["grpc-status"];
		if (status === undefined) return;
		grpcStatus = Number(status);
		because = decodeMessage(String(headers["grpc-message"] ?? `gRPC status ${String(status)}`));
	};
	stream.on("response", (headers) => {
		readStatus(headers as NodeJS.Dict<string | string[]>);
		if (grpcStatus === undefined) handlers.opened?.();
	});
	stream.on("trailers", (trailers) => readStatus(trailers as NodeJS.Dict<string | string[]>));
	stream.on("data", (chunk: Buffer) => {
		const problem = frames.push(chunk, (message) => {
			if (!isClosed) handlers.message(message);
		});
		if (problem) {
			because = problem.because;
			session.destroy();
		}
	});
	stream.on("error", fail);
	// The server is through when its side ends; the status has then been read.
	stream.on("end", () => setImmediate(closed));
	stream.on("close", closed);

	return {
		send: (...pieces) => {
			const only = pieces[0];
			if (!isClosed) stream.write(frame(pieces.length === 1 && only ? only : Buffer.concat(pieces)));
		},
		close: (why = "closed by this side") => {
			because = why;
			if (!stream.destroyed) stream.end();
			session.destroy();
		},
		doubt: (withinMs) => askNow?.(withinMs),
		pause: () => stream.pause(),
		resume: () => stream.resume(),
		serverRoot: () => (options.tls && !session.destroyed ? rootOf(session.socket as TLSSocket) : undefined),
	};
}

function rootOf(socket: TLSSocket): Uint8Array | undefined {
	let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
	// A self-signed certificate names itself as its issuer.
	while (certificate?.issuerCertificate && certificate.issuerCertificate !== certificate)
		certificate = certificate.issuerCertificate;
	return certificate?.raw;
}

const lookAgainMs = 20;

/** Gives a connection up that does not come about, or does not answer pings. Returns what asks at once, for an answer within a time. */
export function watchLiveness(
	session: ClientHttp2Session,
	{
		clock,
		connectTimeoutMs,
		pingEveryMs,
		pingTimeoutMs,
		reachTimeoutMs = connectTimeoutMs,
	}: NonNullable<AdsClientOptions["liveness"]>,
	fail: (error: Error) => void,
): (withinMs: number) => void {
	const giveUp = (because: string) => (): void => {
		fail(new Error(because));
		session.destroy();
	};
	let cancel: Cancel = () => {};
	/** A process that stood still looks once more at what came meanwhile. */
	const giveUpAfter = (ms: number, because: string): void => {
		cancel();
		cancel = clock.after(ms, () => {
			cancel = clock.after(lookAgainMs, giveUp(because));
		});
	};
	const startedMs = clock.monotonicMs();
	giveUpAfter(Math.min(reachTimeoutMs, connectTimeoutMs), `no connection within ${reachTimeoutMs} ms`);
	session.socket.once("connect", () => {
		const leftMs = connectTimeoutMs - (clock.monotonicMs() - startedMs);
		if (!isConnected && !session.destroyed) giveUpAfter(leftMs, `no connection within ${connectTimeoutMs} ms`);
	});
	let isConnected = false;
	/** When the ping that is under way has to be answered. */
	let answerDueMs = Number.POSITIVE_INFINITY;
	const ask = (withinMs: number): void => {
		const dueMs = clock.monotonicMs() + withinMs;
		// Given up by this side a moment ago: its "close" is still to come. Whoever is asked again and again has no more time for it.
		if (session.destroyed || answerDueMs <= dueMs) return;
		answerDueMs = dueMs;
		giveUpAfter(withinMs, `no answer to a ping within ${withinMs} ms`);
		session.ping((error) => {
			answerDueMs = Number.POSITIVE_INFINITY;
			cancel();
			if (!error && !session.destroyed) cancel = clock.after(pingEveryMs, () => ask(pingTimeoutMs));
		});
	};
	session.on("connect", () => {
		isConnected = true;
		cancel();
		cancel = clock.after(pingEveryMs, () => ask(pingTimeoutMs));
	});
	session.on("close", () => cancel());
	return (withinMs) => {
		if (isConnected) ask(withinMs);
	};
}

function decodeMessage(message: string): string {
	try {
		return decodeURIComponent(message);
	} catch {
		return message;
	}
}
