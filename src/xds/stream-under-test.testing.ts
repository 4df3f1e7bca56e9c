// One stream under test: events in, what it sent as text out.

import type { XdsRequest } from "./request.ts";
import type { ProxyConfig, TypeUrl } from "./resource.ts";
import { deltaRequest, readDelta, readSotw } from "./session.testing.ts";
import { defaultSessionConfig, openSession, type SessionAction, type SessionState, step } from "./session.ts";

/** A stream whose writes never wait; keeps what it sent and reported. */
export class StreamUnderTest {
	state: SessionState;
	nowMs = 0;
	readonly actions: SessionAction[] = [];
	/** Set false to hold a message in flight to the network. */
	drains = true;

	constructor(protocol: "delta" | "sotw", config?: ProxyConfig) {
		this.state = openSession(protocol);
		if (config) this.config(config);
	}

	request(request: XdsRequest): void {
		this.#feed({ type: "requestReceived", request, atMs: this.nowMs });
	}

	config(config: ProxyConfig): void {
		this.#feed({ type: "configChanged", config, atMs: this.nowMs });
	}

	pass(ms: number): void {
		this.nowMs += ms;
		this.#feed({ type: "ticked", atMs: this.nowMs });
	}

	drain(): void {
		this.drains = true;
		this.#drain();
	}

	/** What was sent since the last call: `Cluster +a +b -c #1`. */
	sent(): readonly string[] {
		return this.actions.splice(0).flatMap((action) => {
			if (action.type === "close") return [`close ${action.grpcStatus}: ${action.because}`];
			if (action.type !== "send") return [];
			const { response } = action;
			const type = response.typeUrl.slice(response.typeUrl.lastIndexOf(".") + 1);
			if (response.protocol === "sotw") return [[type, ...readSotw(response), `#${response.nonce}`].join(" ")];
			const { upserts, removed } = readDelta(response);
			const names = [...[...upserts.keys()].map((name) => `+${name}`), ...removed.map((name) => `-${name}`)];
			return [[type, ...names, `#${response.nonce}`].join(" ")];
		});
	}

	/** Asks for a type and confirms what comes. */
	asks(
		typeUrl: TypeUrl,
		subscribe: readonly string[] = [],
		initialVersions = new Map<string, string>(),
	): readonly string[] {
		this.request(deltaRequest(typeUrl, { subscribe, initialVersions }));
		const sent = this.sent();
		const nonce = this.state.types.get(typeUrl)?.inFlight?.nonce;
		if (nonce !== undefined) this.request(deltaRequest(typeUrl, { nonce }));
		return sent;
	}

	#feed(event: Parameters<typeof step>[2]): void {
		const { state, actions } = step(defaultSessionConfig, this.state, event);
		this.state = state;
		this.actions.push(...actions);
		this.#drain();
	}

	#drain(): void {
		if (this.drains && this.state.sendingSinceMs !== undefined) this.#feed({ type: "sent", atMs: this.nowMs });
	}
}
