// One xDS stream on the wire: bytes -> requests -> step -> responses -> bytes. The first request says who it is.

import type { Http2Session, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import type { Clock } from "../../runtime/clock.ts";
import { encodeResponse, totalBytes } from "../encode-response.ts";
import { decodeNode, type XdsNode } from "../node.ts";
import { decodeDeltaRequest, decodeSotwRequest, type XdsRequest } from "../request.ts";
import type { ProxyConfig, TypeUrl } from "../resource.ts";
import {
	openSession,
	type SessionAction,
	type SessionConfig,
	type SessionEvent,
	type SessionState,
	step,
} from "../session.ts";
import { type Application, applicationOf, hasAnswered, typeStatuses } from "../session-status.ts";
import type { Peer, SessionStatus } from "./config-source.ts";
import { type FrameError, FrameReader } from "./grpc-frames.ts";

export interface XdsStreamOptions {
	readonly protocol: "delta" | "sotw";
	readonly session: SessionConfig;
	readonly maxRequestBytes: number;
	readonly peer: Peer;
}

export interface XdsStreamHandlers {
	/** The first request came; a string refuses the stream. */
	admit(
		stream: XdsStream,
		node: XdsNode,
	):
		| { readonly ok: true; readonly proxyId: string; readonly config: ProxyConfig | undefined }
		| { readonly ok: false; readonly grpcStatus: number; readonly because: string };
	report(stream: XdsStream, action: Exclude<SessionAction, { type: "send" } | { type: "close" }>): void;
	sent(typeUrl: TypeUrl, bytes: number): void;
	/** How new the configuration of the moment is. */
	revision(): string | undefined;
	closed(stream: XdsStream, because: string): void;
}

export class XdsStream {
	readonly peer: Peer;
	readonly connectedAtMs: number;
	readonly openedAtMs: number;
	/** Set by the first request. */
	node: XdsNode | undefined;
	proxyId: string | undefined;
	readonly #http: ServerHttp2Stream;
	readonly #options: XdsStreamOptions;
	readonly #clock: Clock;
	readonly #handlers: XdsStreamHandlers;
	#state: SessionState;
	#trailers: Record<string, string> = { "grpc-status": "0" };
	#because = "the client ended the stream";
	#isOver = false;

	constructor(http: ServerHttp2Stream, options: XdsStreamOptions, clock: Clock, handlers: XdsStreamHandlers) {
		this.#http = http;
		this.#options = options;
		this.#clock = clock;
		this.#handlers = handlers;
		this.#state = openSession(options.protocol);
		this.peer = options.peer;
		this.connectedAtMs = clock.wallMs();
		this.openedAtMs = clock.monotonicMs();
		const frames = new FrameReader(options.maxRequestBytes);
		http.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
		http.on("wantTrailers", () => http.sendTrailers(this.#trailers));
		http.on("error", (error) => {
			this.#because = error.message;
		});
		http.on("data", (chunk: Buffer) => {
			if (this.#isOver) return;
			const problem = frames.push(chunk, (message) => this.#onMessage(message));
			if (problem) this.close(problem.grpcStatus, problem.because);
		});
		http.on("end", () => this.close(0, "the client ended the stream"));
		http.on("close", () => {
			this.#isOver = true;
			handlers.closed(this, this.#because);
		});
	}

	/** Undefined once it is over. */
	get session(): Http2Session | undefined {
		return this.#http.session;
	}

	get protocol(): "delta" | "sotw" {
		return this.#options.protocol;
	}

	/** Ends the stream with a gRPC status; what is being written is dropped when the client does not take it. */
	close(grpcStatus: number, because: string): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#because = because;
		this.#trailers = { "grpc-status": String(grpcStatus), "grpc-message": encodeURIComponent(because) };
		if (this.#state.sendingSinceMs !== undefined && grpcStatus !== 0) this.#http.close(constants.NGHTTP2_CANCEL);
		else this.#http.end();
		// A client that never reads the trailers must not keep the stream.
		const cancel = this.#clock.after(2_000, () => this.#http.close(constants.NGHTTP2_CANCEL));
		this.#http.once("close", cancel);
	}

	setConfig(config: ProxyConfig): void {
		if (config !== this.#state.config) this.#run({ type: "configChanged", config, atMs: this.#clock.monotonicMs() });
	}

	tick(atMs: number): void {
		if (this.proxyId !== undefined) this.#run({ type: "ticked", atMs });
	}

	status(): SessionStatus | undefined {
		if (this.node === undefined || this.proxyId === undefined) return undefined;
		return {
			proxyId: this.proxyId,
			nodeId: this.node.id,
			peer: this.peer,
			protocol: this.protocol,
			userAgent: `${this.node.userAgentName} ${this.node.userAgentVersion}`.trim(),
			connectedAtMs: this.connectedAtMs,
			types: typeStatuses(this.#state),
		};
	}

	hasAnswered(types: readonly TypeUrl[]): boolean {
		return hasAnswered(this.#state, types);
	}

	application(typeUrl: TypeUrl, name: string, version: string): Application {
		return applicationOf(this.#state, typeUrl, name, version);
	}

	#onMessage(message: Uint8Array): void {
		if (this.#isOver) return;
		const decoded = this.protocol === "delta" ? decodeDeltaRequest(message) : decodeSotwRequest(message);
		const refusal = decoded.ok ? this.#identify(decoded.request) : { grpcStatus: 3, because: decoded.because };
		if (refusal) this.close(refusal.grpcStatus, refusal.because);
		else if (decoded.ok) {
			this.#run({ type: "requestReceived", request: decoded.request, atMs: this.#clock.monotonicMs() });
		}
	}

	/** The first request says who it is; later ones need not. */
	#identify(request: XdsRequest): FrameError | undefined {
		if (this.proxyId !== undefined) return undefined;
		if (!request.node) return { grpcStatus: 3, because: "the first request has no node" };
		const decoded = decodeNode(request.node);
		if (!decoded.ok) return { grpcStatus: 3, because: decoded.because };
		const admitted = this.#handlers.admit(this, decoded.node);
		if (!admitted.ok) return admitted;
		this.node = decoded.node;
		this.proxyId = admitted.proxyId;
		if (admitted.config) this.#state = { ...this.#state, config: admitted.config };
		return undefined;
	}

	#run(event: SessionEvent): void {
		if (this.#isOver) return;
		const { state, actions } = step(this.#options.session, this.#state, event);
		this.#state = state;
		for (const action of actions) {
			if (action.type === "send") this.#send(action.response);
			else if (action.type === "close") this.close(action.grpcStatus, action.because);
			else this.#handlers.report(this, action);
		}
	}

	#send(response: Parameters<typeof encodeResponse>[0]): void {
		// The version of a full set means something to its client; a delta client only passes it on.
		const version = (response.protocol === "delta" ? this.#handlers.revision() : undefined) ?? response.version;
		const buffers = encodeResponse({ ...response, version });
		const last = buffers.length - 1;
		// One gathered write: shared buffers are passed on, not copied. The callback comes when the network took them.
		this.#http.cork();
		buffers.forEach((buffer, index) => {
			if (index < last) this.#http.write(buffer);
			else
				this.#http.write(buffer, (error) => {
					if (!error) this.#run({ type: "sent", atMs: this.#clock.monotonicMs() });
				});
		});
		this.#http.uncork();
		this.#handlers.sent(response.typeUrl, totalBytes(buffers));
	}
}
