// The control plane's HTTP server: checks who asks, limits what may come in, finds the route, answers. Routes are values:
// method, path with {parameters}, and a function from request to answer.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "../../runtime/log.ts";
import { judgeRequest } from "./request-guard.ts";

export interface ApiRequest {
	readonly query: URLSearchParams;
	/** Parameters of the path, decoded. */
	readonly path: Readonly<Record<string, string>>;
	/** Reads the whole body as text, up to `maxBodyBytes`. */
	readonly body: () => Promise<string>;
}

export type ApiAnswer =
	| { readonly status?: number; readonly json: unknown }
	| { readonly status?: number; readonly text: string; readonly contentType?: string };

export interface ApiRoute {
	readonly method: "GET" | "PUT" | "POST" | "DELETE";
	/** `/api/v1/resources/{kind}/{name}` */
	readonly path: string;
	readonly answer: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
}

export interface ApiServerOptions {
	readonly host: string;
	readonly port: number;
	/** Names, besides localhost and IP addresses, under which the API may be called. */
	readonly allowedHosts?: readonly string[];
	/** Callers from other machines and pods get health and metrics alone. Default false. */
	readonly healthOnlyForOthers?: boolean;
	/** Default 8 MiB. */
	readonly maxBodyBytes?: number;
}

export interface ApiServer {
	readonly port: number;
	close(): Promise<void>;
}

/** A failure that the client should see as it is. */
export class ApiError extends Error {
	readonly status: number;
	readonly next: string;

	constructor(status: number, message: string, next = "") {
		super(message);
		this.status = status;
		this.next = next;
	}
}

export async function startApiServer(
	options: ApiServerOptions,
	routes: readonly ApiRoute[],
	log: Log,
): Promise<ApiServer> {
	const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 });
	server.maxConnections = 1024;
	server.on("request", (request, response) => {
		void serve(options, routes, request, response).catch((error: unknown) => {
			log.error({ err: String(error), url: request.url }, "api request failed");
			if (!response.headersSent) sendFailure(response, 500, "the control plane failed; its log says why", "");
			else response.destroy();
		});
	});
	await listen(server, options);
	return {
		port: (server.address() as AddressInfo).port,
		close: () =>
			new Promise((done) => {
				server.close(() => done());
				server.closeAllConnections();
			}),
	};
}

async function serve(
	options: ApiServerOptions,
	routes: readonly ApiRoute[],
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const verdict = judgeRequest(request, options.allowedHosts ?? [], options.healthOnlyForOthers);
	if (!verdict.ok) {
		const next = options.healthOnlyForOthers
			? "keepmesh finds it by kubectl port-forward: add --kubernetes, or --api http://127.0.0.1:PORT"
			: "call it as 127.0.0.1 or localhost, or start it with --api-name NAME";
		sendFailure(response, verdict.status, verdict.because, next);
		return;
	}
	const url = new URL(request.url ?? "/", "http://localhost");
	const method = request.method === "HEAD" ? "GET" : request.method;
	const matches = routes.flatMap((route) => {
		const path = matchPath(route.path, url.pathname);
		return path ? [{ route, path }] : [];
	});
	if (matches.length === 0) {
		sendFailure(response, 404, `there is no ${url.pathname}`, "GET /api/v1 lists what there is");
		return;
	}
	const match = matches.find(({ route }) => route.method === method);
	if (!match) {
		const allowed = matches.map(({ route }) => route.method).join(", ");
		response.setHeader("allow", allowed);
		sendFailure(response, 405, `${method} is not served here`, `use ${allowed}`);
		return;
	}
	try {
		const body = (): Promise<string> => readBody(request, options.maxBodyBytes ?? 8 * 1024 * 1024);
		send(response, await match.route.answer({ query: url.searchParams, path: match.path, body }));
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		sendFailure(response, error.status, error.message, error.next);
	}
}

function matchPath(pattern: string, pathname: string): Readonly<Record<string, string>> | undefined {
	const wanted = pattern.split("/");
	const given = pathname.split("/");
	if (wanted.length !== given.length) return undefined;
	const found: Record<string, string> = {};
	for (const [index, part] of wanted.entries()) {
		const value = given[index] ?? "";
		if (!part.startsWith("{")) {
			if (part !== value) return undefined;
			continue;
		}
		try {
			found[part.slice(1, -1)] = decodeURIComponent(value);
		} catch {
			return undefined;
		}
	}
	return found;
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request) {
		bytes += (chunk as Buffer).length;
		if (bytes > maxBytes) {
			throw new ApiError(413, `the body is larger than ${maxBytes} bytes`, "send the resources in several requests");
		}
		chunks.push(chunk as Buffer);
	}
	return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, answer: ApiAnswer): void {
	const isJson = "json" in answer;
	const body = isJson ? JSON.stringify(answer.json) : answer.text;
	const contentType = isJson ? "application/json" : (answer.contentType ?? "text/plain; charset=utf-8");
	response.writeHead(answer.status ?? 200, {
		"content-type": contentType,
		"content-length": Buffer.byteLength(body),
		"cache-control": "no-store",
		"x-content-type-options": "nosniff",
	});
	response.end(body);
}

function sendFailure(response: ServerResponse, status: number, error: string, next: string): void {
	// The rest of a body that was refused is not read.
	if (status === 413) response.setHeader("connection", "close");
	send(response, { status, json: { error, next } });
}

function listen(server: Server, options: ApiServerOptions): Promise<void> {
	return new Promise((done, fail) => {
		server.once("error", fail);
		server.listen({ host: options.host, port: options.port, backlog: 128 }, () => {
			server.removeListener("error", fail);
			done();
		});
	});
}
