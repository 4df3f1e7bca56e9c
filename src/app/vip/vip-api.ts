// The local API of a vip process: HTTP on a Unix socket. GET /status, /metrics, /ready, /explain?name=NAME,
// /follow[?name=NAME]; POST /move?name=&to=, /reload.
// The HTTP part is loaded by the first request, so that a process that nobody asks stays small.

import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import type { Answer } from "./planned-moves.ts";

export interface VipApi {
	status(): object;
	metrics(): string;
	/** All virtual routers have found their places. */
	ready?(): Answer;
	/** Undefined: there is no such instance. */
	explain(name: string | undefined): object | undefined;
	move(name: string, to: string | undefined): Promise<object>;
	reload(): Promise<object>;
	/** Calls with the instance's role now and at each change. Undefined: there is no such instance. */
	follow?(name: string, onRole: (role: string) => void): (() => void) | undefined;
	/** The same of all instances, also of those that are still to come. */
	followAll?(onRole: (name: string, role: string) => void): () => void;
}

export interface VipApiServerOptions {
	/** Only metrics, status, ready and explain: for a TCP port. */
	readonly readOnly?: boolean;
	readonly onAnswered?: () => void;
}

/** Takes connections; the caller listens. */
export function createVipApiServer(api: VipApi, options: VipApiServerOptions = {}): Server {
	let http: Promise<HttpServer> | undefined;
	return createServer({ pauseOnConnect: true }, (socket: Socket) => {
		socket.on("error", () => socket.destroy());
		http ??= import("node:http").then(({ createServer: createHttpServer }) =>
			createHttpServer(
				{ requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 1_000 },
				(request, response) => {
					void answer(api, request, response, options.readOnly === true).finally(options.onAnswered);
				},
			),
		);
		void http.then((server) => {
			server.emit("connection", socket);
			socket.resume();
		});
	});
}

async function answer(
	api: VipApi,
	request: IncomingMessage,
	response: ServerResponse,
	readOnly: boolean,
): Promise<void> {
	const url = new URL(request.url ?? "/", "http://vip");
	const name = url.searchParams.get("name") ?? undefined;
	request.resume();
	const json = (value: object | undefined): void => {
		const code = value === undefined ? 404 : "ok" in value && value.ok === false ? 409 : 200;
		response.writeHead(code, { "content-type": "application/json" });
		response.end(`${JSON.stringify(value ?? { ok: false, because: `there is no virtual IP ${name}` })}\n`);
	};
	switch (`${request.method} ${url.pathname}`) {
		case "GET /metrics":
			response.writeHead(200, { "content-type": "text/plain; version=0.0.4" });
			response.end(api.metrics());
			return;
		case "GET /ready":
			json(api.ready?.());
			return;
		case "GET /status":
			json(api.status());
			return;
		case "GET /follow": {
			if (readOnly) break;
			const say = (line: object): boolean => response.write(`${JSON.stringify(line)}\n`);
			const end =
				name === undefined
					? api.followAll?.((of, role) => void say({ name: of, role }))
					: api.follow?.(name, (role) => void say({ role }));
			if (!end) return json(undefined);
			response.flushHeaders();
			// One line for each role, for as long as the caller listens.
			response.on("close", end);
			return;
		}
		case "GET /explain":
			json(api.explain(name));
			return;
		case "POST /move":
			if (!readOnly && name !== undefined) {
				json(await api.move(name, url.searchParams.get("to") ?? undefined));
				return;
			}
			break;
		case "POST /reload":
			if (!readOnly) {
				json(await api.reload());
				return;
			}
			break;
	}
	response.writeHead(404).end("not here\n");
}
