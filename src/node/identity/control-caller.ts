// Calls to the control planes, one after the other until one answers. One HTTP/2 session to each is kept open, so that a
// certificate for a new pod costs one round trip.

import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from "node:http2";
import type { Clock } from "../../runtime/clock.ts";
import { callUnary } from "../../xds/wire/unary-service.ts";
import { watchLiveness } from "../../xds/wire/xds-client.ts";
import type { HostPort } from "./control-trust.ts";

/** How to connect: TLS of this moment, or plaintext where that was asked for. */
export type ControlSecurity = SecureClientSessionOptions | "plaintext";

export interface ControlCallerDeps {
	/** Never empty. */
	readonly upstreams: readonly HostPort[];
	readonly clock: Clock;
	/** A session that stood has ended, also while nothing was asked. */
	readonly onSessionEnded?: () => void;
}

export interface ControlCall {
	readonly path: string;
	readonly message: Uint8Array;
	readonly headers?: Readonly<Record<string, string>>;
	/** For each control plane. Default 5 s. */
	readonly timeoutMs?: number;
}

export class ControlCaller {
	readonly #upstreams: readonly HostPort[];
	readonly #clock: Clock;
	readonly #onSessionEnded: () => void;
	readonly #sessions = new Map<
		HostPort,
		{ readonly session: ClientHttp2Session; readonly security: ControlSecurity }
	>();
	/** The one that answered last comes first. */
	#first = 0;
	#closed = false;

	constructor({ upstreams, clock, onSessionEnded = () => {} }: ControlCallerDeps) {
		this.#upstreams = upstreams;
		this.#clock = clock;
		this.#onSessionEnded = onSessionEnded;
	}

	/**
	 * Rejects with every control plane's reason when none does it. A session is opened anew when `security` is another object
	 * than before.
	 */
	async call(security: ControlSecurity, call: ControlCall): Promise<Uint8Array> {
		const reasons: string[] = [];
		const from = this.#first;
		for (let step = 0; step < this.#upstreams.length; step++) {
			const index = (from + step) % this.#upstreams.length;
			const upstream = this.#upstreams[index];
			if (!upstream || this.#closed) break;
			try {
				const answer = await this.#callOne(upstream, security, call);
				this.#first = index;
				return answer;
			} catch (error) {
				reasons.push(`${upstream.host}:${upstream.port}: ${error instanceof Error ? error.message : String(error)}`);
			}
		}
		throw new Error(reasons.join("; ") || "closed");
	}

	close(): void {
		this.#closed = true;
		for (const { session } of this.#sessions.values()) session.destroy();
	}

	async #callOne(
		upstream: HostPort,
		security: ControlSecurity,
		{ path, message, headers = {}, timeoutMs = 5_000 }: ControlCall,
	): Promise<Uint8Array> {
		const { session, failed } = this.#sessionTo(upstream, security);
		const answer = callUnary(session, path, message, { timeoutMs, headers });
		// Its own error says less than the session's.
		answer.catch(() => {});
		try {
			return await Promise.race([answer, failed]);
		} catch (error) {
			const isAnswer = error instanceof Error && /: grpc-status \d/.test(error.message);
			if (!isAnswer) session.destroy();
			throw error;
		}
	}

	#sessionTo(upstream: HostPort, security: ControlSecurity) {
		const known = this.#sessions.get(upstream);
		if (known && known.security === security && !known.session.closed && !known.session.destroyed)
			return { session: known.session, failed: failureOf(known.session) };
		// What is under way on the old one may end there.
		known?.session.close();
		const { host, port } = upstream;
		const isPlain = security === "plaintext";
		const session = connect(`${isPlain ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`, {
			...(isPlain ? {} : security),
			settings: { enablePush: false },
		});
		// Rare ones may be many: each call on it listens.
		session.setMaxListeners(0);
		session.on("error", () => {});
		const liveness = { clock: this.#clock, connectTimeoutMs: 2_000, pingEveryMs: 10_000, pingTimeoutMs: 2_000 };
		watchLiveness(session, liveness, (error) => session.destroy(error));
		this.#sessions.set(upstream, { session, security });
		session.once("close", () => {
			if (this.#sessions.get(upstream)?.session !== session) return;
			this.#sessions.delete(upstream);
			if (!this.#closed) this.#onSessionEnded();
		});
		return { session, failed: failureOf(session) };
	}
}

function failureOf(session: ClientHttp2Session): Promise<never> {
	const failed = new Promise<never>((_, reject) => session.once("error", reject));
	failed.catch(() => {});
	return failed;
}
