// What all services of the sample share: one HTTP server, who I am, which headers travel on, and failures on demand.
// In: a table of handlers. Out: JSON or HTML answers that name pod and version, so that traffic can be counted.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export const self = {
	pod: process.env.POD_NAME ?? process.env.HOSTNAME ?? "unknown",
	version: process.env.SERVICE_VERSION ?? "v1",
	service: process.env.SERVICE_NAME ?? "unknown",
};

export interface Answer {
	readonly status?: number;
	readonly headers?: Readonly<Record<string, string | readonly string[]>>;
	/** A text is sent as HTML, anything else as JSON. */
	readonly body: unknown;
}

export type Handler = (request: IncomingMessage, url: URL) => Answer | Promise<Answer>;

/** Headers that a service passes on, so that traces stay whole and routes by user or token reach further than one hop. */
const travelling = [
	"end-user",
	"x-request-id",
	"traceparent",
	"tracestate",
	"b3",
	"x-b3-traceid",
	"x-b3-spanid",
	"x-b3-parentspanid",
	"x-b3-sampled",
	"x-b3-flags",
	"x-ot-span-context",
	"x-cloud-trace-context",
	"baggage",
	"authorization",
	"cookie",
	"user-agent",
	"x-forwarded-for",
];

export function travellingHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
	return Object.fromEntries(
		travelling.flatMap((name) => {
			const value = headers[name];
			return typeof value === "string" ? [[name, value]] : [];
		}),
	);
}

/**
 * FAIL_PERCENT: answers 500 to that share. DELAY_MS: waits before each answer. CRASH_AFTER: ends the process after so many
 * requests. Health checks are never hit.
 */
const failPercent = Number(process.env.FAIL_PERCENT ?? 0);
const delayMs = Number(process.env.DELAY_MS ?? 0);
const crashAfter = Number(process.env.CRASH_AFTER ?? 0);
let served = 0;

/** Handlers by path; a path that ends in `*` takes everything below it. */
export function serve(routes: Readonly<Record<string, Handler>>, port = Number(process.env.PORT ?? 9080)): void {
	const find = (path: string): Handler | undefined =>
		routes[path] ??
		Object.entries(routes).find(([pattern]) => pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1)))?.[1];
	const server = createServer((incoming, response) => {
		const url = new URL(incoming.url ?? "/", "http://service");
		const path = url.pathname;
		response.setHeader("x-client-identity", clientIdentity(incoming.headers));
		answer(find(path), incoming, url).then(
			(reply) => send(response, reply, incoming.method === "HEAD"),
			(error: unknown) => send(response, { status: 500, body: { error: String(error) } }, false),
		);
	});
	server.keepAliveTimeout = 75_000;
	server.listen(port, "0.0.0.0", () => console.log(`${self.service} ${self.version} listens on ${port}`));
	process.once("SIGTERM", () => {
		server.close(() => process.exit(0));
		server.closeIdleConnections();
		// Connections that a proxy keeps open must not hold the end up.
		setTimeout(() => process.exit(0), 2000).unref();
	});
}

async function answer(handler: Handler | undefined, incoming: IncomingMessage, url: URL): Promise<Answer> {
	if (url.pathname === "/health") return { body: { status: `${self.service} is healthy`, ...self } };
	if (!handler) return { status: 404, body: { error: `no such path: ${url.pathname}`, ...self } };
	served += 1;
	if (crashAfter > 0 && served > crashAfter) process.exit(1);
	if (delayMs > 0) await sleep(delayMs);
	if (failPercent > 0 && Math.random() * 100 < failPercent)
		return { status: 500, body: { error: `${self.service} fails on purpose`, ...self } };
	return handler(incoming, url);
}

function send(response: ServerResponse, reply: Answer, headOnly: boolean): void {
	const isText = typeof reply.body === "string";
	const text = isText ? String(reply.body) : `${JSON.stringify(reply.body)}\n`;
	response.writeHead(reply.status ?? 200, {
		"content-type": isText ? "text/html; charset=utf-8" : "application/json",
		"content-length": Buffer.byteLength(text),
		"x-served-by": `${self.service}/${self.version}/${self.pod}`,
		...reply.headers,
	});
	response.end(headOnly ? undefined : text);
}

export interface Fetched {
	/** 0: no answer came. */
	readonly status: number;
	readonly body: unknown;
}

/** A GET to another service, with the headers that travel on. */
export function call(url: string, headers: IncomingHttpHeaders, timeoutMs: number): Promise<Fetched> {
	return new Promise((resolve) => {
		const outgoing = request(url, { headers: travellingHeaders(headers), timeout: timeoutMs }, (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.on("error", (error) => resolve({ status: 0, body: { error: error.message } }));
			response.on("end", () => {
				const text = Buffer.concat(chunks).toString("utf8");
				resolve({ status: response.statusCode ?? 0, body: parse(text) });
			});
		});
		outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
		outgoing.on("error", (error) => resolve({ status: 0, body: { error: error.message } }));
		outgoing.end();
	});
}

/** Who called, as this pod's proxy saw it in the caller's certificate; `plaintext`: there was none. */
function clientIdentity(headers: IncomingHttpHeaders): string {
	const certificate = headers["x-forwarded-client-cert"];
	const text = Array.isArray(certificate) ? certificate.join(",") : (certificate ?? "");
	// The last element is what the proxy itself added.
	return /(?:^|;)URI=([^;,]+)/.exec(text.split(",").at(-1) ?? "")?.[1] ?? "plaintext";
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return { error: text.slice(0, 200) };
	}
}
