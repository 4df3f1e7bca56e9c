// The HTTP/2 server under the xDS server: plain or TLS, on a port or a Unix socket, with limits on what one client may take.

import { constants } from "node:crypto";
import { rmSync } from "node:fs";
import {
	createSecureServer,
	createServer,
	type Http2SecureServer,
	type Http2Server,
	type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { SecureContextOptions } from "node:tls";
import type { Clock } from "../../runtime/clock.ts";

export interface HttpServerOptions {
	readonly listen: { readonly host: string; readonly port: number } | { readonly socketPath: string };
	/** Absent: plaintext. */
	readonly tls?: {
		/** Keys, certificates and roots of client certificates. */
		readonly context: SecureContextOptions;
		/** Clients are asked for a certificate, and may go on without one. Default false. */
		readonly asksForCertificate?: boolean;
	};
	/** Relays carry the streams of a whole machine on one connection. Default 1,024. */
	readonly maxStreamsPerConnection?: number;
	/** A silent connection is asked this often whether it lives. Default 30,000 ms. */
	readonly keepAliveMs?: number;
	/** A connection that does not answer in this time is cut off. Default 10,000 ms. */
	readonly keepAliveTimeoutMs?: number;
}

const handshakeTimeoutMs = 10_000;

export function createHttp2(options: HttpServerOptions): Http2Server | Http2SecureServer {
	const limits = {
		settings: {
			maxConcurrentStreams: options.maxStreamsPerConnection ?? 1_024,
			maxHeaderListSize: 16 * 1024,
			initialWindowSize: 1024 * 1024,
		},
		// Megabytes; what waits to be sent counts, and that is shared between streams.
		maxSessionMemory: 1_024,
		maxSessionInvalidFrames: 100,
		maxSessionRejectedStreams: 100,
		unknownProtocolTimeout: 5_000,
	};
	if (!options.tls) return createServer(limits);
	const { asksForCertificate = false, context } = options.tls;
	return createSecureServer({
		...tlsContext(context),
		...limits,
		allowHTTP1: false,
		requestCert: asksForCertificate,
		// Who shows no certificate may still join with a token; each call decides.
		rejectUnauthorized: false,
		handshakeTimeout: handshakeTimeoutMs,
	});
}

/** Sessions are not resumed: each connection verifies the client's certificate anew. */
export function tlsContext(context: SecureContextOptions): SecureContextOptions {
	return { minVersion: "TLSv1.2", ...context, secureOptions: constants.SSL_OP_NO_TICKET };
}

export function listen(server: Http2Server | Http2SecureServer, { listen }: HttpServerOptions): Promise<void> {
	if ("socketPath" in listen) rmSync(listen.socketPath, { force: true });
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		const listening = (): void => {
			server.off("error", reject);
			resolve();
		};
		if ("socketPath" in listen) server.listen(listen.socketPath, listening);
		else server.listen(listen.port, listen.host, listening);
	});
}

export function boundAddress(
	server: Http2Server | Http2SecureServer,
	{ listen }: HttpServerOptions,
): HttpServerOptions["listen"] {
	if ("socketPath" in listen) return listen;
	const { address, port } = server.address() as AddressInfo;
	return { host: address, port };
}

export function keepAlive(session: ServerHttp2Session, options: HttpServerOptions, clock: Clock): void {
	const keepAliveMs = options.keepAliveMs ?? 30_000;
	const timeoutMs = options.keepAliveTimeoutMs ?? 10_000;
	let cancel = clock.after(keepAliveMs, ask);
	session.once("close", () => cancel());
	function ask(): void {
		if (session.destroyed) return;
		cancel = clock.after(timeoutMs, () => session.destroy());
		session.ping((error) => {
			cancel();
			if (!error && !session.destroyed) cancel = clock.after(keepAliveMs, ask);
		});
	}
}
