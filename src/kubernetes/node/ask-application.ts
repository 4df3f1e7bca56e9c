// One probe of an application, asked from inside its pod's network namespace. Out: the status that Kubernetes is to be told; 503
// when nobody answers. As Envoy asks in its place (src/envoy/bootstrap/app-probes.ts).

import { type IncomingHttpHeaders, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { AppProbe } from "../../inject/app-probe.ts";
import { connectInNamespace } from "../../lab/namespace-socket.ts";

export interface ApplicationPlace {
	readonly netns: string;
	/** The pod's own; tried after loopback. */
	readonly address: string;
}

const away = 503;
const longestMs = 10_000;

export async function askApplication(
	probe: AppProbe,
	place: ApplicationPlace,
	headers: IncomingHttpHeaders = {},
): Promise<number> {
	const timeoutMs = Math.min(probe.timeoutMs, longestMs);
	let socket: Socket;
	try {
		socket = await connectTo(place, probe.port, timeoutMs);
	} catch {
		return away;
	}
	const timer = setTimeout(() => socket.destroy(), timeoutMs);
	try {
		switch (probe.kind) {
			case "tcp":
				return 200;
			case "http":
				return await askHttp(probe, socket, place.address, headers);
			case "grpc":
				return await askGrpc(probe.service, socket);
			default:
				return probe satisfies never;
		}
	} catch {
		return away;
	} finally {
		clearTimeout(timer);
		socket.destroy();
	}
}

/** Loopback is never redirected; an application that listens on the pod's address alone is found there. */
async function connectTo({ address, netns }: ApplicationPlace, port: number, timeoutMs: number): Promise<Socket> {
	try {
		return await connectInNamespace(netns, { host: "127.0.0.1", port }, timeoutMs);
	} catch (error) {
		if (address.includes(":")) throw error;
		return connectInNamespace(netns, { host: address, port }, timeoutMs);
	}
}

function askHttp(
	probe: AppProbe & { readonly kind: "http" },
	socket: Socket,
	address: string,
	{ connection: _connection, ...headers }: IncomingHttpHeaders,
): Promise<number> {
	const host = probe.host ?? `${address}:${probe.port}`;
	// Whether the server answers, not who it is.
	const stream = probe.tls ? connectTls({ socket, rejectUnauthorized: false }) : socket;
	return new Promise((resolve, reject) => {
		stream.on("error", reject);
		const options = { path: probe.path, headers: { ...headers, host, connection: "close" } };
		const asked = request({ ...options, createConnection: () => stream }, (response) => {
			response.resume();
			resolve(response.statusCode ?? away);
		});
		asked.on("error", reject);
		asked.end();
	});
}

const healthPath = "/grpc.health.v1.Health/Check";
/** HealthCheckResponse{status: SERVING}, as one gRPC message. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

function askGrpc(service: string, socket: Socket): Promise<number> {
	return new Promise((resolve, reject) => {
		const session = connectHttp2("http://probe", { createConnection: () => socket });
		session.on("error", reject);
		const stream = session.request({
			":method": "POST",
			":path": healthPath,
			"content-type": "application/grpc",
			te: "trailers",
		});
		const chunks: Buffer[] = [];
		stream.on("error", reject);
		stream.on("data", (chunk: Buffer) => chunks.push(chunk));
		stream.on("end", () => resolve(Buffer.concat(chunks).equals(serving) ? 200 : away));
		stream.on("close", () => resolve(away));
		const name = Buffer.from(service);
		const message = service === "" ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
		stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
	});
}
