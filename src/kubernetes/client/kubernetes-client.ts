// Asks a Kubernetes API server. In: a kubeconfig, or what a Pod has; requests. Out: status and parsed body, or the lines of an
// answer that goes on (a watch). What the server refuses is an answer; only when there is none does a request reject.

import type { IncomingMessage } from "node:http";
import { type Clock, realClock } from "../../runtime/clock.ts";
import { type Connect, openHttpExchange } from "./http-exchange.ts";
import { readKubeconfig } from "./read-kubeconfig.ts";
import { readServiceAccount } from "./read-service-account.ts";
import { AccessError, type ServerAccess } from "./server-access.ts";

export interface KubernetesClientOptions {
	/** Path of a kubeconfig. Without one: the Pod's service account. */
	readonly kubeconfig?: string;
	/** Of the kubeconfig; default its `current-context`. */
	readonly context?: string;
	/** Where a Pod finds the server: `https://10.96.0.1:443`. Needed without a kubeconfig. */
	readonly inClusterServer?: string;
	/** Who is asking, for the server's log. Default `keepmesh`. */
	readonly userAgent?: string;
}

export interface KubernetesClientDeps {
	readonly connect?: Connect;
	readonly clock?: Clock;
	/** For a connection to stand; default 3,000. */
	readonly reachMs?: number;
}

export type ApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
	/** Sent as JSON. */
	readonly body?: unknown;
	/** Default `application/json`, for PATCH `application/merge-patch+json`. Server-side apply: `application/apply-patch+yaml`. */
	readonly contentType?: string;
	readonly query?: Query;
	/** For the whole answer. Default 15,000. */
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
}

export interface ApiAnswer {
	readonly status: number;
	/** Parsed when it is JSON, else the text. */
	readonly body: unknown;
	/** What `Retry-After` asks for. */
	readonly retryAfterMs?: number;
}

export interface OpenOptions {
	readonly query?: Query;
	/** Until the answer begins. Default 15,000. */
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
}

/** An answer that goes on: its lines as they come, each a JSON text. Ends with the connection; rejects when that breaks. */
export interface OpenAnswer {
	readonly status: number;
	readonly retryAfterMs?: number;
	readonly lines: AsyncIterable<string>;
	/** Of an answer that is a refusal: the rest of it, parsed. */
	body(): Promise<unknown>;
	close(): void;
}

export interface KubernetesClient {
	/** `https://10.88.0.1:6443` */
	readonly server: string;
	/** Of the context, or of the Pod. */
	readonly namespace: string;
	/** `path` begins with a slash; see pathOf. */
	request(method: ApiMethod, path: string, options?: RequestOptions): Promise<ApiAnswer>;
	open(path: string, options?: OpenOptions): Promise<OpenAnswer>;
	/** Everything under way ends. */
	close(): void;
}

/** There was no answer: no connection, it broke, or it took too long. */
export class TransportError extends Error {
	override readonly name = "TransportError";
}

const defaultTimeoutMs = 15_000;
const defaultReachMs = 3_000;
const maxAnswerBytes = 512 * 1024 * 1024;

/** Throws AccessError when the kubeconfig or the service account is of no use. */
export function openKubernetesClient(
	options: KubernetesClientOptions,
	deps: KubernetesClientDeps = {},
): KubernetesClient {
	return new HttpKubernetesClient(accessOf(options), options.userAgent ?? "keepmesh", deps);
}

function accessOf({ context, inClusterServer, kubeconfig }: KubernetesClientOptions): ServerAccess {
	if (kubeconfig !== undefined) return readKubeconfig(kubeconfig, context);
	if (inClusterServer !== undefined) return readServiceAccount(inClusterServer);
	throw new AccessError("neither a kubeconfig was given, nor is this a Pod of a cluster (KUBERNETES_SERVICE_HOST)");
}

class HttpKubernetesClient implements KubernetesClient {
	readonly server: string;
	readonly namespace: string;
	readonly #access: ServerAccess;
	readonly #userAgent: string;
	readonly #exchange: ReturnType<typeof openHttpExchange>;
	readonly #clock: Clock;
	readonly #closed = new AbortController();

	constructor(access: ServerAccess, userAgent: string, { clock, connect, reachMs }: KubernetesClientDeps) {
		this.#access = access;
		this.#userAgent = userAgent;
		this.#exchange = openHttpExchange(access, reachMs ?? defaultReachMs, connect);
		this.#clock = clock ?? realClock;
		this.server = access.url.origin;
		this.namespace = access.namespace;
	}

	async request(method: ApiMethod, path: string, options: RequestOptions = {}): Promise<ApiAnswer> {
		const stop = this.#stopper(options.signal, options.timeoutMs);
		try {
			const response = await this.#send(method, path, options, stop.signal);
			const text = await textOf(response);
			const retryAfterMs = retryAfter(response);
			return {
				status: response.statusCode ?? 0,
				body: parse(text),
				...(retryAfterMs === undefined ? {} : { retryAfterMs }),
			};
		} catch (error) {
			throw this.#failure(method, path, stop.because() ?? error);
		} finally {
			stop.clear();
		}
	}

	async open(path: string, options: OpenOptions = {}): Promise<OpenAnswer> {
		const stop = this.#stopper(options.signal, options.timeoutMs);
		let response: IncomingMessage;
		try {
			response = await this.#send("GET", path, options, stop.signal);
		} catch (error) {
			stop.clear();
			throw this.#failure("GET", path, stop.because() ?? error);
		}
		stop.begun();
		response.once("close", stop.clear);
		const retryAfterMs = retryAfter(response);
		const failure = (error: unknown): TransportError => this.#failure("GET", path, stop.because() ?? error);
		return {
			status: response.statusCode ?? 0,
			...(retryAfterMs === undefined ? {} : { retryAfterMs }),
			lines: linesOf(response, failure),
			body: async () => parse(await textOf(response)),
			close: () => response.destroy(),
		};
	}

	close(): void {
		this.#closed.abort();
		this.#exchange.close();
	}

	#send(method: ApiMethod, path: string, options: RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
		const { body, contentType, query } = options;
		const token = this.#access.token?.();
		const text = body === undefined ? undefined : JSON.stringify(body);
		const type = contentType ?? (method === "PATCH" ? "application/merge-patch+json" : "application/json");
		return this.#exchange.send({
			method,
			path: `${path}${renderQuery(query)}`,
			headers: {
				accept: "application/json",
				"user-agent": this.#userAgent,
				...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
				...(text === undefined ? {} : { "content-type": type, "content-length": String(Buffer.byteLength(text)) }),
			},
			...(text === undefined ? {} : { body: text }),
			signal,
		});
	}

	/** Ends the request when the caller, the client or the time says so. */
	#stopper(signal: AbortSignal | undefined, timeoutMs = defaultTimeoutMs) {
		const controller = new AbortController();
		let because: string | undefined;
		const end = (reason: string) => (): void => {
			because ??= reason;
			controller.abort();
		};
		const onClosed = end("the client was closed");
		const onCaller = end("it was given up");
		const cancel = this.#clock.after(timeoutMs, end(`no answer within ${timeoutMs} ms`));
		this.#closed.signal.addEventListener("abort", onClosed);
		signal?.addEventListener("abort", onCaller);
		if (this.#closed.signal.aborted) onClosed();
		if (signal?.aborted) onCaller();
		return {
			signal: controller.signal,
			because: () => (because === undefined ? undefined : new Error(because)),
			begun: cancel,
			clear: () => {
				cancel();
				this.#closed.signal.removeEventListener("abort", onClosed);
				signal?.removeEventListener("abort", onCaller);
			},
		};
	}

	#failure(method: string, path: string, cause: unknown): TransportError {
		const because = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : String(cause);
		return new TransportError(`${method} ${this.server}${path}: ${because}`, { cause });
	}
}

function renderQuery(query: Query | undefined): string {
	const parts = Object.entries(query ?? {}).flatMap(([name, value]) =>
		value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`],
	);
	return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

async function textOf(response: IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of response as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > maxAnswerBytes) throw new Error(`an answer of more than ${maxAnswerBytes} bytes`);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks).toString("utf8");
}

async function* linesOf(response: IncomingMessage, failure: (error: unknown) => Error): AsyncGenerator<string> {
	let rest: Buffer[] = [];
	try {
		for await (const chunk of response as AsyncIterable<Buffer>) {
			let from = 0;
			for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
				const line = chunk.subarray(from, end);
				yield (rest.length === 0 ? line : Buffer.concat([...rest, line])).toString("utf8");
				rest = [];
				from = end + 1;
			}
			if (from < chunk.length) rest.push(chunk.subarray(from));
		}
	} catch (error) {
		throw failure(error);
	}
	// What comes after the last line break was cut off: a watch ends every event with one.
}

function retryAfter(response: IncomingMessage): number | undefined {
	const seconds = Number(response.headers["retry-after"] ?? Number.NaN);
	return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}
