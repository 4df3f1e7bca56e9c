// One gRPC call with one message each way, over HTTP/2: served beside ADS, and called. Bytes in, bytes out.

import { type ClientHttp2Session, constants, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../../runtime/clock.ts";
import type { Peer } from "./config-source.ts";
import { type FrameError, FrameReader, frame } from "./grpc-frames.ts";

export type UnaryOutcome =
	| { readonly ok: true; readonly message: Uint8Array }
	/** `grpcStatus` as in google.rpc.Code. */
	| { readonly ok: false; readonly grpcStatus: number; readonly because: string };

export interface UnaryCall {
	readonly message: Uint8Array;
	readonly peer: Peer;
	/** Request headers, lower case. */
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export type UnaryHandler = (call: UnaryCall) => UnaryOutcome;

export interface UnaryService {
	readonly handle: UnaryHandler;
	/** Largest request. Default: the server's. */
	readonly maxRequestBytes?: number;
	/** A call that `handle` never saw, because it was too long or came to no end. */
	readonly refused?: (peer: Peer, because: string) => void;
}

/** The same with an answer that takes its time. */
export interface SlowUnaryService extends Omit<UnaryService, "handle"> {
	readonly answer: (call: UnaryCall) => Promise<UnaryOutcome>;
}

const internal = 13;
const deadlineExceeded = 4;

/** Answers one call; a handler that throws is an internal error of this call alone, and says nothing of it. */
export function serveUnary(
	http: ServerHttp2Stream,
	call: Omit<UnaryCall, "message">,
	service: UnaryService | SlowUnaryService,
	limits: { readonly maxRequestBytes: number; readonly timeoutMs: number; readonly clock: Clock },
): void {
	const reader = new FrameReader(service.maxRequestBytes ?? limits.maxRequestBytes);
	let answered = false;
	let isHandled = false;
	const cancel = limits.clock.after(limits.timeoutMs, () => {
		refuse({ grpcStatus: deadlineExceeded, because: `no whole message within ${limits.timeoutMs} ms` });
	});
	http.once("close", cancel);
	const refuse = (error: FrameError): void => {
		if (!answered) service.refused?.(call.peer, error.because);
		answer({ ok: false, ...error });
		// What still comes is thrown away; a client that goes on all the same is cut off.
		const cut = limits.clock.after(1_000, () => http.close(constants.NGHTTP2_NO_ERROR));
		http.once("close", cut);
	};
	const answer = (outcome: UnaryOutcome): void => {
		if (answered || http.destroyed) return;
		answered = true;
		cancel();
		const head = { ":status": 200, "content-type": "application/grpc" };
		if (!outcome.ok) {
			const trailers = {
				"grpc-status": String(outcome.grpcStatus),
				"grpc-message": encodeURIComponent(outcome.because),
			};
			http.respond({ ...head, ...trailers }, { endStream: true });
			return;
		}
		http.respond(head, { waitForTrailers: true });
		http.on("wantTrailers", () => http.sendTrailers({ "grpc-status": "0" }));
		http.end(frame(outcome.message));
	};
	http.on("data", (chunk: Buffer) => {
		if (answered || isHandled) return;
		const error = reader.push(chunk, (message) => {
			// What broke here is nobody's business out there.
			const broke = (): void => answer({ ok: false, grpcStatus: internal, because: "internal error" });
			isHandled = true;
			try {
				if ("answer" in service) service.answer({ ...call, message }).then(answer, broke);
				else answer(service.handle({ ...call, message }));
			} catch {
				broke();
			}
		});
		if (error) refuse(error);
	});
	http.on("end", () => {
		if (!isHandled) answer({ ok: false, grpcStatus: internal, because: "the call ended without a message" });
	});
}

/** Calls `path`; rejects on anything but grpc-status 0, and after `timeoutMs`. */
export function callUnary(
	session: ClientHttp2Session,
	path: string,
	message: Uint8Array,
	options: { readonly timeoutMs: number; readonly headers?: Readonly<Record<string, string>> },
): Promise<Uint8Array> {
	return new Promise((resolve, reject) => {
		const stream = session.request({
			":method": "POST",
			":path": path,
			"content-type": "application/grpc",
			te: "trailers",
			...options.headers,
		});
		const reader = new FrameReader(4 * 1024 * 1024);
		let answer: Uint8Array | undefined;
		let status: string | undefined;
		let because = "";
		const note = (headers: Readonly<Record<string, unknown>>): void => {
			if (headers["grpc-status"] === undefined) return;
			status = String(headers["grpc-status"]);
			because = decodeURIComponent(String(headers["grpc-message"] ?? ""));
		};
		stream.setTimeout(options.timeoutMs, () => {
			reject(new Error(`${path}: no answer within ${options.timeoutMs} ms`));
			stream.close(constants.NGHTTP2_CANCEL);
		});
		stream.on("response", note);
		stream.on("trailers", note);
		stream.on("data", (chunk: Buffer) => {
			const error = reader.push(chunk, (bytes) => {
				answer = bytes;
			});
			if (error) reject(new Error(`${path}: ${error.because}`));
		});
		stream.on("error", reject);
		stream.on("close", () => {
			if (status === "0" && answer) resolve(answer);
			else reject(new Error(`${path}: grpc-status ${status ?? "missing"} ${because}`.trimEnd()));
		});
		stream.end(frame(message));
	});
}
