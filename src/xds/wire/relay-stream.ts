// One Envoy's stream in the relay: runs the relay's session between the Envoy's HTTP/2 stream and a control plane's, and
// finds the next control plane when one is gone. The Envoy's stream outlives them all.

import { constants, type ServerHttp2Stream } from "node:http2";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { decodeNode } from "../node.ts";
import { nodeIdOf } from "../node-id-of.ts";
import { lacksResources, openRelaySession, type RelayEvent, type RelayState, stepRelay } from "../relay-session.ts";
import { FrameReader, frame } from "./grpc-frames.ts";
import type { RelayStreamOptions, RelayStreamStatus, UpstreamGroup } from "./relay-options.ts";
import { UpstreamChoice } from "./upstream-choice.ts";
import { type AdsStream, openAdsStream } from "./xds-client.ts";

const reachSoonMs = 300;

export class RelayStream {
	readonly #http: ServerHttp2Stream;
	readonly #options: RelayStreamOptions;
	readonly #deps: { readonly clock: Clock; readonly log: Log; readonly random: () => number };
	#state: RelayState = openRelaySession();
	#nodeId = "";
	#upstream: AdsStream | undefined;
	readonly #choice: UpstreamChoice;
	#address = "";
	#host = "";
	/** The upstream is the cache; control planes are tried beside it. */
	#isOnCache = false;
	#probe: AdsStream | undefined;
	/** True once the control plane sent something: what counts as having reached it. */
	#isUpstreamGood = false;
	#losses = 0;
	#lastLoss: string | undefined;
	#cancelRetry: Cancel = () => {};
	/** Gives an attempt up that has reached nobody yet. */
	#abandon: () => void = () => {};
	#trailers: Record<string, string> = { "grpc-status": "0" };
	#isOver = false;
	/** Requests that came while what is kept is looked up, for the first of them. */
	#waiting: Uint8Array[] | undefined;
	#isFirst = true;
	/** The control plane is given up for what it sent. */
	#isRefused = false;

	constructor(
		http: ServerHttp2Stream,
		options: RelayStreamOptions,
		deps: { readonly clock: Clock; readonly log: Log; readonly random: () => number },
		onClosed: () => void,
	) {
		this.#http = http;
		this.#options = options;
		this.#deps = deps;
		this.#choice = new UpstreamChoice({ ...options, random: deps.random }, () => options.groupOf(this.#nodeId));
		const frames = new FrameReader(options.maxRequestBytes);
		http.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
		http.on("wantTrailers", () => http.sendTrailers(this.#trailers));
		http.on("data", (chunk: Buffer) => {
			if (this.#isOver) return;
			const problem = frames.push(chunk, (bytes) => this.#receive(bytes));
			if (problem) this.close(problem.grpcStatus, problem.because);
		});
		http.on("end", () => this.close(0, ""));
		http.on("drain", () => this.#upstream?.resume());
		http.on("close", () => {
			this.#stop();
			onClosed();
		});
	}

	close(grpcStatus: number, because: string): void {
		if (this.#isOver) return;
		this.#stop();
		this.#trailers = { "grpc-status": String(grpcStatus), "grpc-message": encodeURIComponent(because) };
		this.#http.end();
		const cancel = this.#deps.clock.after(1_000, () => this.#http.close(constants.NGHTTP2_CANCEL));
		this.#http.once("close", cancel);
	}

	/** Connects at once if it waits to try again: the reason why it could not may be gone. */
	retryNow(): void {
		if (
			this.#isOver ||
			this.#options.isSuperseded?.() ||
			this.#nodeId === "" ||
			this.#probe ||
			(this.#upstream && !this.#isOnCache)
		)
			return;
		this.#cancelRetry();
		this.#choice.encourage();
		this.#connect();
	}

	/** Machines are silent. Its control plane is left for the next one at once when it is on one of them, else when it does not answer. */
	doubt(withinMs: number, silentHosts: ReadonlySet<string>): void {
		this.#choice.avoid(silentHosts);
		if (this.#isOnCache) return;
		if (silentHosts.has(this.#host)) this.#upstream?.close("its machine is silent");
		else this.#upstream?.doubt(withinMs);
	}

	get nodeId(): string {
		return this.#nodeId;
	}

	/** Every control plane was tried, and none answered. */
	get isAlone(): boolean {
		return !this.#isOver && !this.#isUpstreamGood && this.#choice.isExhausted;
	}

	/** Those that it may turn to. */
	get upstreams(): UpstreamGroup["upstreams"] {
		return this.#choice.upstreams;
	}

	/** Turns to the proxy's own group of control planes, if it is with another. */
	regroup(): void {
		if (this.#isOver || !this.#choice.isOutdated || this.#options.isSuperseded?.()) return;
		if (this.#upstream && !this.#isOnCache) this.#upstream.close("the proxy has control planes of its own");
		else this.retryNow();
	}

	/** A control plane can be reached again: an attempt that still waits for a silent one is given up for a new one. */
	hurry(): void {
		if (!this.isAlone || this.#nodeId === "") return;
		this.#abandon();
		this.retryNow();
	}

	status(): RelayStreamStatus {
		const upstream = this.#isUpstreamGood ? this.#address : undefined;
		return {
			nodeId: this.#nodeId,
			losses: this.#losses,
			...(upstream !== undefined && { upstream }),
			...(this.#isOnCache && { fromCache: true as const }),
			...(this.#lastLoss !== undefined && { lastLoss: this.#lastLoss }),
		};
	}

	#stop(): void {
		this.#isOver = true;
		this.#cancelRetry();
		this.#probe?.close();
		this.#upstream?.close();
		this.#upstream = undefined;
	}

	#receive(bytes: Uint8Array): void {
		if (this.#waiting) {
			this.#waiting.push(bytes);
			return;
		}
		const isFirst = this.#isFirst;
		this.#isFirst = false;
		const versions = isFirst ? this.#options.cache?.versions : undefined;
		const proxyId = versions && nodeIdOf(bytes);
		if (!versions || proxyId === undefined) {
			this.#run({ type: "downstreamMessage", bytes });
			return;
		}
		const waiting = [bytes];
		this.#waiting = waiting;
		void versions(proxyId)
			.catch(() => undefined)
			.then((kept) => {
				this.#state = openRelaySession(kept);
				this.#waiting = undefined;
				for (const each of waiting) this.#run({ type: "downstreamMessage", bytes: each });
			});
	}

	#run(event: RelayEvent): void {
		if (this.#isOver) return;
		const { cache, onHotSwitchPolicy, onNameTable, onTrustBundle, revisions } = this.#options;
		// The cache knows nothing but what Envoy itself asks for.
		const isControl = !this.#isOnCache;
		const config = {
			nameTable: isControl && onNameTable !== undefined,
			hotSwitchPolicy: isControl && onHotSwitchPolicy !== undefined,
			trustBundle: isControl && onTrustBundle !== undefined,
			keep: isControl && cache !== undefined,
		};
		const { state, actions } = stepRelay(config, this.#state, event);
		this.#state = state;
		for (const action of actions) {
			switch (action.type) {
				case "connectUpstream":
					this.#begin(action.node);
					break;
				case "sendUpstream":
					this.#upstream?.send(...action.pieces);
					break;
				case "sendDownstream":
					// A slow Envoy slows its control plane down; nothing piles up here.
					if (!this.#http.write(frame(Buffer.concat(action.pieces)))) this.#upstream?.pause();
					break;
				case "closeDownstream":
					this.close(action.grpcStatus, action.because);
					break;
				case "closeUpstream":
					this.#isRefused = true;
					this.#upstream?.close(action.because);
					break;
				case "reportRevision":
					revisions?.onSeen(this.#nodeId, action.seen, this.#choice.group);
					break;
				case "reportNameTable":
					onNameTable?.(this.#nodeId, action.bytes);
					break;
				case "reportHotSwitchPolicy":
					onHotSwitchPolicy?.(this.#nodeId, action.policy);
					break;
				case "reportAccepted":
					cache?.onAccepted(this.#nodeId, action.accepted);
					break;
				case "reportTrustBundle": {
					const { version, bytes } = action;
					onTrustBundle?.({
						proxyId: this.#nodeId,
						bytes,
						senderRoot: this.#upstream?.serverRoot(),
						confirm: () => this.#run({ type: "trustBundleConfirmed", version }),
						refuse: (because) => this.#run({ type: "trustBundleRefused", version, because }),
					});
					break;
				}
				default:
					action satisfies never;
			}
		}
	}

	#begin(nodeBytes: Uint8Array): void {
		const decoded = decodeNode(nodeBytes);
		if (!decoded.ok) return void this.close(3, decoded.because);
		this.#nodeId = decoded.node.id;
		if (!this.#options.admit(this.#nodeId)) {
			this.#deps.log.warn({ node: this.#nodeId }, "relay refused a node id");
			return void this.close(7, `${this.#nodeId} is none of this machine's proxies`);
		}
		this.#connect();
	}

	#connect(): void {
		const { isNewGroup, to } = this.#choice.next();
		if (isNewGroup) this.#forgetSeen();
		if (!to || this.#isOver) return;
		const tls = this.#options.tls?.();
		if (this.#options.tls && !tls) {
			// Nothing to hurry for: `retryNow` comes when there is one.
			this.#lastLoss = "this node has no certificate for its control planes yet";
			this.#useCache();
			this.#cancelRetry = this.#deps.clock.after(this.#options.backoffMs.most, () => this.#connect());
			return;
		}
		let isCurrent = true;
		this.#isRefused = false;
		this.#address = `${to.host}:${to.port}`;
		this.#host = to.host;
		// A machine that is gone is not waited for while there are others; one that is far away gets more time each round.
		const { connectTimeoutMs } = this.#options.liveness;
		const reachTimeoutMs = Math.min(connectTimeoutMs, reachSoonMs * 2 ** this.#choice.rounds);
		const liveness = { ...this.#options.liveness, reachTimeoutMs, clock: this.#deps.clock };
		const stream: AdsStream = openAdsStream(
			{ to, liveness, ...(tls && { tls }) },
			{
				connected: () => {
					if (isCurrent && this.#probe === stream) this.#leaveCache(stream);
				},
				opened: () => {
					if (isCurrent) this.#reached();
				},
				message: (bytes) => {
					if (!isCurrent) return;
					this.#run({ type: "upstreamMessage", bytes });
					// Not before: one that lets every stream in and then refuses it, or lags behind, is no reason to hurry.
					if (!this.#isRefused) this.#choice.encourage();
				},
				closed: (_status, because) => {
					if (!isCurrent) return;
					isCurrent = false;
					this.#lost(because);
				},
			},
		);
		this.#abandon = () => {
			if (!isCurrent) return;
			isCurrent = false;
			stream.close();
			this.#probe = undefined;
			if (this.#upstream !== stream) return;
			this.#upstream = undefined;
			this.#run({ type: "upstreamClosed" });
		};
		if (this.#isOnCache) {
			this.#probe = stream;
			return;
		}
		this.#isUpstreamGood = false;
		this.#upstream = stream;
		this.#run({ type: "upstreamOpened" });
	}

	/** What another group has said is no measure for this one. */
	#forgetSeen(): void {
		const { seen: _, ...state } = this.#state;
		const seen = this.#options.revisions?.of(this.#nodeId, this.#choice.group);
		this.#state = seen ? { ...state, seen } : state;
	}

	/** Serves the proxy what was kept while nobody else can. */
	#useCache(): void {
		const { cache } = this.#options;
		if (!cache?.has(this.#nodeId) || this.#isOnCache || !lacksResources(this.#state)) return;
		this.#deps.log.warn({ node: this.#nodeId }, "no control plane: the proxy gets what it accepted last");
		this.#isOnCache = true;
		let isCurrent = true;
		const stream: AdsStream = openAdsStream(
			{ to: { socketPath: cache.socketPath } },
			{
				message: (bytes) => {
					if (isCurrent && this.#upstream === stream) this.#run({ type: "upstreamMessage", bytes });
				},
				closed: () => {
					isCurrent = false;
					if (this.#upstream !== stream) return;
					this.#upstream = undefined;
					this.#run({ type: "upstreamClosed" });
					this.#isOnCache = false;
				},
			},
		);
		this.#upstream = stream;
		this.#run({ type: "upstreamOpened" });
	}

	#leaveCache(control: AdsStream): void {
		const cache = this.#upstream;
		this.#probe = undefined;
		this.#run({ type: "upstreamClosed" });
		this.#isOnCache = false;
		this.#upstream = control;
		cache?.close();
		this.#run({ type: "upstreamOpened" });
	}

	#reached(): void {
		this.#isUpstreamGood = true;
		this.#deps.log.info({ node: this.#nodeId, upstream: this.#address }, "relay connected");
	}

	#lost(because: string): void {
		if (this.#isOver) return;
		this.#deps.log.warn({ node: this.#nodeId, upstream: this.#address, because }, "relay lost its control plane");
		if (this.#isUpstreamGood) this.#losses++;
		this.#lastLoss = because;
		this.#probe = undefined;
		this.#isUpstreamGood = false;
		if (!this.#isOnCache) {
			this.#upstream = undefined;
			this.#run({ type: "upstreamClosed" });
		}
		const waitMs = this.#choice.lost();
		if (this.#options.isSuperseded?.()) return;
		if (this.isAlone) {
			this.#useCache();
			this.#options.onAlone();
		}
		this.#cancelRetry = this.#deps.clock.after(waitMs, () => this.#connect());
	}
}
