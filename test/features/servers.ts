// Small servers for feature tests: each says which one it is.

import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { KeyPair } from "./self-signed.ts";

/** Answers with its name, the path and the client's address. Switches to echoing where the client asks for a WebSocket. */
export function httpServer(name: string): Server {
	const server = createHttpServer((incoming, response) => {
		response.setHeader("x-server", name);
		response.end(
			JSON.stringify({ name, path: incoming.url, headers: incoming.headers, from: incoming.socket.remoteAddress }),
		);
	});
	server.on("upgrade", (_, socket: Socket) => {
		socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
		socket.pipe(socket);
	});
	return server;
}

/** Says its name as soon as a client connects, as MySQL and SMTP do; then echoes. */
export function serverFirst(name: string): Server {
	return createServer((socket) => {
		socket.on("error", () => {});
		socket.write(name);
		socket.pipe(socket);
	});
}

/** Waits for the client's first bytes, then answers with its name and them. */
export function clientFirst(name: string): Server {
	return createServer((socket) => {
		socket.on("error", () => {});
		socket.on("data", (bytes) => socket.write(`${name} ${bytes}`));
	});
}

export function tlsServer(name: string, { certificate, key }: KeyPair): Server {
	return createTlsServer({ cert: certificate, key }, (socket) => {
		socket.on("error", () => {});
		socket.end(name);
	});
}

/**
 * What the server says first, on the first of ten connections on which it is heard within so many milliseconds. What waits does
 * so on each of them; a machine with other work is late on some.
 */
export async function heardAtOnce(connect: () => Promise<Socket>, withinMs: number): Promise<string> {
	let fastestMs = Number.POSITIVE_INFINITY;
	for (let tries = 0; tries < 10; tries++) {
		const startMs = performance.now();
		const socket = await connect();
		const heard = await nextText(socket);
		fastestMs = Math.min(fastestMs, performance.now() - startMs);
		socket.destroy();
		if (fastestMs < withinMs) return heard;
	}
	throw new Error(`heard after ${fastestMs} ms at the soonest, not within ${withinMs} ms`);
}

/** What comes next on the connection, or "" when it ends without a word. */
export function nextText(socket: Socket): Promise<string> {
	return new Promise((resolve, reject) => {
		socket.once("data", (bytes: Buffer) => resolve(bytes.toString()));
		socket.once("close", () => resolve(""));
		socket.once("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve("") : reject(error)));
		setTimeout(() => reject(new Error("nothing came in 2 s")), 2000).unref();
	});
}
