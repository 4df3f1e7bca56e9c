// The HTTPS server that an API server asks about objects. In: a certificate that may change while it runs, and who answers which
// path. Out: AdmissionReviews. What cannot be answered is an HTTP error: the API server then does as the failurePolicy says.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Cancel } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { AdmissionResponse, AdmissionReview } from "../admission/admission-review.ts";

export interface ServingCertificate {
	/** PEM. */
	readonly cert: string;
	readonly key: string;
}

export interface CertificateSource {
	readonly current: ServingCertificate;
	onRenewed(use: (certificate: ServingCertificate) => void): Cancel;
}

export type AnswerReview = (review: AdmissionReview, path: string) => Promise<AdmissionResponse> | AdmissionResponse;

export interface WebhookServerOptions {
	readonly listen: { readonly host: string; readonly port: number };
	readonly certificates: CertificateSource;
}

export interface WebhookServerDeps {
	readonly log: Log;
	/** After each answer: the path that was asked, HTTP's status, and how long it took. */
	readonly onAnswered?: (path: string, status: number, tookMs: number) => void;
}

export interface WebhookServer {
	readonly port: number;
	/**
	 * From now on callers are told to go elsewhere; for `lingerMs` (default 0) new ones are still answered, for not everybody hears at
	 * once that this server goes. Resolves when nobody is left, or 10 s later.
	 */
	close(lingerMs?: number): Promise<void>;
}

/** An object has at most 1.5 MB in etcd; an update carries it twice. */
const maxReviewBytes = 8 * 1024 * 1024;
const closeWithinMs = 10_000;

/** `handlers`: by path; one also answers paths below it, `/inject` also `/inject/canary`. */
export async function startWebhookServer(
	{ certificates, listen }: WebhookServerOptions,
	handlers: ReadonlyMap<string, AnswerReview>,
	{ log, onAnswered }: WebhookServerDeps,
): Promise<WebhookServer> {
	let isClosing = false;
	const server = createServer({ ...certificates.current, minVersion: "TLSv1.2" }, (request, response) => {
		const startMs = performance.now();
		const path = (request.url ?? "/").replace(/\?.*$/, "");
		if (isClosing) response.setHeader("connection", "close");
		void answer(request, response, path, handlers, log).then((status) =>
			onAnswered?.(handlerPath(path, handlers) ?? "other", status, performance.now() - startMs),
		);
	});
	// The API server keeps idle connections for 90 s. Were we first to close, a review could be on its way.
	server.keepAliveTimeout = 120_000;
	server.requestTimeout = 30_000;
	server.on("tlsClientError", (error) =>
		log.debug({ because: error.message }, "a webhook's caller was not understood"),
	);
	await new Promise<void>((listening, failed) => {
		server.once("error", failed);
		server.listen(listen.port, listen.host, () => {
			server.off("error", failed);
			listening();
		});
	});
	server.on("error", (error) => log.warn({ because: error.message }, "webhook server"));
	const stop = certificates.onRenewed((certificate) => {
		try {
			server.setSecureContext({ ...certificate, minVersion: "TLSv1.2" });
		} catch (error) {
			log.error({ because: String(error) }, "a webhook certificate is of no use; the one before it goes on");
		}
	});
	return {
		port: (server.address() as AddressInfo).port,
		close: async (lingerMs = 0) => {
			isClosing = true;
			stop();
			if (lingerMs > 0) await new Promise((resolve) => setTimeout(resolve, lingerMs));
			const ended = new Promise<void>((done) => server.close(() => done()));
			server.closeIdleConnections();
			const timer = setTimeout(() => server.closeAllConnections(), closeWithinMs);
			await ended;
			clearTimeout(timer);
		},
	};
}

async function answer(
	request: IncomingMessage,
	response: ServerResponse,
	path: string,
	handlers: ReadonlyMap<string, AnswerReview>,
	log: Log,
): Promise<number> {
	const refuse = (status: number, because: string): number => {
		response.writeHead(status, { "content-type": "text/plain" }).end(`${because}\n`);
		return status;
	};
	try {
		const at = handlerPath(path, handlers);
		const handler = at === undefined ? undefined : handlers.get(at);
		if (!handler) return refuse(404, `nobody answers ${path}`);
		if (request.method !== "POST") return refuse(405, "POST an AdmissionReview");
		const text = await bodyOf(request);
		if (text === undefined) return refuse(413, `a review has at most ${maxReviewBytes} bytes`);
		const review = parseReview(text);
		if (!review) return refuse(400, "this is no AdmissionReview of admission.k8s.io/v1 with a request");
		const answered = await handler(review, path);
		const body = JSON.stringify({ apiVersion: review.apiVersion, kind: "AdmissionReview", response: answered });
		response
			.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
			.end(body);
		return 200;
	} catch (error) {
		log.error({ path, because: error instanceof Error ? error.stack : String(error) }, "a webhook's answer failed");
		if (!response.headersSent) refuse(500, "internal error");
		return 500;
	}
}

function handlerPath(path: string, handlers: ReadonlyMap<string, AnswerReview>): string | undefined {
	for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) if (handlers.has(at)) return at;
	return undefined;
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		// Read to its end in any case, or the caller would see a broken connection instead of the answer.
		if (bytes <= maxReviewBytes) chunks.push(chunk);
		else if (bytes > 4 * maxReviewBytes) request.destroy();
	}
	return bytes > maxReviewBytes ? undefined : Buffer.concat(chunks).toString("utf8");
}

function parseReview(text: string): AdmissionReview | undefined {
	try {
		const value = JSON.parse(text) as Partial<AdmissionReview> | null;
		const request = value?.request;
		if (value?.apiVersion !== "admission.k8s.io/v1" || typeof request?.uid !== "string") return undefined;
		return typeof request.kind?.kind === "string" ? (value as AdmissionReview) : undefined;
	} catch {
		return undefined;
	}
}
