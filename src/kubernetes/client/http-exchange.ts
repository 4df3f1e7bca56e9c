// One request to the API server over HTTP/1.1 on kept connections. In: method, path and body. Out: the status and the stream of
// the answer. A watch has a connection of its own, so that one that hangs holds nothing else up.
// Why not HTTP/2: docs/decisions/0030-kubernetes-client.md

import {
	type AgentOptions,
	type ClientRequest,
	type IncomingMessage,
	Agent as PlainAgent,
	request as plain,
} from "node:http";
import { Agent as SecureAgent, request as secure } from "node:https";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { ServerAccess } from "./server-access.ts";

/** Opens a TCP connection to the API server: for tests, whose server is in another network namespace. */
export type Connect = (target: { readonly host: string; readonly port: number }) => Promise<Duplex>;

export interface Exchange {
	readonly method: string;
	/** With the query. */
	readonly path: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body?: string;
	readonly signal: AbortSignal;
}

export interface HttpExchange {
	/** Resolves with the head of the answer; rejects when there is no connection, or the signal says so. */
	send(exchange: Exchange): Promise<IncomingMessage>;
	close(): void;
}

/** A connection whose other end lost its power is noticed after about 15 s: 5 s, then a probe each second. */
const keepAliveMs = 5_000;

/** `reachMs`: for a connection to stand. What waits longer may wait for ever: its first packet left before the node had a rule for the Service's address. */
export function openHttpExchange(access: ServerAccess, reachMs: number, connect?: Connect): HttpExchange {
	const { url } = access;
	const isSecure = url.protocol === "https:";
	const tls = {
		...(access.ca === undefined ? {} : { ca: access.ca }),
		...(access.certificate === undefined ? {} : { cert: access.certificate }),
		...(access.key === undefined ? {} : { key: access.key }),
		...(access.serverName === undefined ? {} : { servername: access.serverName }),
		...(access.isUnverified ? { rejectUnauthorized: false } : {}),
	};
	const options: AgentOptions = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: 256, scheduling: "lifo" };
	const agent = isSecure ? new SecureAgent({ ...options, ...tls }) : new PlainAgent(options);
	const host = url.hostname.replace(/^\[|\]$/g, "");
	const port = Number(url.port) || (isSecure ? 443 : 80);
	const base = url.pathname.replace(/\/$/, "");
	if (connect) {
		const servername = access.serverName ?? (/^[\d.:]+$/.test(host) ? "" : host);
		Object.assign(agent, {
			createConnection: (_: unknown, done: (error: Error | null, socket?: Duplex) => void) => {
				connect({ host, port }).then(
					(socket) => {
						if (!isSecure) return done(null, socket);
						const checked = connectTls({ socket, ...tls, servername, host });
						checked.once("error", done);
						checked.once("secureConnect", () => {
							checked.off("error", done);
							done(null, checked);
						});
					},
					(error: Error) => done(error),
				);
			},
		});
	}
	return {
		send: ({ body, headers, method, path, signal }) =>
			new Promise((resolve, reject) => {
				const target = { agent, host, port, method, path: `${base}${path}`, headers: { ...headers }, signal };
				const asked: ClientRequest = isSecure ? secure({ ...target, ...tls }) : plain(target);
				asked.once("response", resolve);
				asked.once("error", reject);
				asked.once("socket", (socket) => {
					socket.setKeepAlive?.(true, keepAliveMs);
					if (!socket.connecting) return;
					const late = setTimeout(() => asked.destroy(new Error(`no connection within ${reachMs} ms`)), reachMs);
					for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(late));
				});
				asked.end(body);
			}),
		close: () => agent.destroy(),
	};
}
