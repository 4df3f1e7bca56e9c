// One other control plane: a connection that is kept up, a word every 200 ms about what both are, and entries pushed in order. In:
// its address. Out: what it said last, and the moment in which it is gone.

import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from "node:http2";
import {
	decodeReplicaMessage,
	encodeReplicaMessage,
	type ReplicaHello,
	replicaPaths,
} from "../../../replicas/replica-message.ts";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import { callUnary } from "../../../xds/wire/unary-service.ts";

export interface ReplicaPeerOptions {
	readonly host: string;
	readonly port: number;
	/** Asked before each connection; undefined: plaintext, for tests. */
	readonly tls: () => SecureClientSessionOptions | undefined;
}

export interface ReplicaPeerParts {
	readonly clock: Clock;
	/** What this replica says of itself. */
	readonly hello: () => ReplicaHello;
	readonly onHello: (peer: ReplicaPeer, said: ReplicaHello, isNew: boolean) => void;
	readonly onGone: (peer: ReplicaPeer, because: string) => void;
}

const helloEveryMs = 200;
const helloTimeoutMs = 500;

export class ReplicaPeer {
	readonly address: string;
	/** Undefined while it is not in contact. */
	said: ReplicaHello | undefined;
	/** Why it is not in contact. */
	lastLoss: string | undefined;
	readonly #options: ReplicaPeerOptions;
	readonly #parts: ReplicaPeerParts;
	#session: ClientHttp2Session | undefined;
	#cancel: Cancel = () => {};
	#asking = false;
	#again = false;
	#closed = false;
	#pushes: Promise<void> = Promise.resolve();

	constructor(options: ReplicaPeerOptions, parts: ReplicaPeerParts) {
		this.#options = options;
		this.#parts = parts;
		this.address = `${options.host}:${options.port}`;
	}

	/** Says what this replica is, and hears what the other is; at once, and then again and again. */
	speak(): void {
		if (this.#closed) return;
		if (this.#asking) {
			this.#again = true;
			return;
		}
		this.#cancel();
		void this.#speak();
	}

	/** Rejects when it does not answer. */
	async call<Answer extends object>(path: string, message: object, timeoutMs: number): Promise<Answer> {
		const bytes = await callUnary(this.#connection(), path, encodeReplicaMessage(message), { timeoutMs });
		const answer = decodeReplicaMessage<Answer>(bytes);
		if (!answer) throw new Error(`${this.address} answered no JSON`);
		return answer;
	}

	/** One after the other; what fails is made good when the two compare what they know. */
	push(make: () => Promise<object>, timeoutMs: number): Promise<void> {
		const pushed = this.#pushes.then(async () => {
			if (this.said) await this.call(replicaPaths.take, await make(), timeoutMs);
		});
		this.#pushes = pushed.catch(() => {});
		return this.#pushes;
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
		this.#session?.destroy();
	}

	async #speak(): Promise<void> {
		this.#asking = true;
		this.#again = false;
		try {
			const said = await this.call<ReplicaHello>(replicaPaths.hello, this.#parts.hello(), helloTimeoutMs);
			if (this.#closed) return;
			const isNew = this.said?.run !== said.run;
			this.said = said;
			this.lastLoss = undefined;
			this.#parts.onHello(this, said, isNew);
		} catch (error) {
			this.#session?.destroy();
			this.#gone(error instanceof Error ? error.message : String(error));
		} finally {
			this.#asking = false;
			if (!this.#closed)
				this.#cancel = this.#parts.clock.after(this.#again ? 0 : helloEveryMs, () => void this.#speak());
		}
	}

	#gone(because: string): void {
		this.lastLoss = because;
		if (!this.said || this.#closed) return;
		this.said = undefined;
		this.#parts.onGone(this, because);
	}

	#connection(): ClientHttp2Session {
		const before = this.#session;
		if (before && !before.closed && !before.destroyed) return before;
		const { host, port, tls } = this.#options;
		const security = tls();
		const name = host.includes(":") ? `[${host}]` : host;
		const session = connect(`${security ? "https" : "http"}://${name}:${port}`, {
			...security,
			settings: { enablePush: false },
		});
		session.setMaxListeners(0);
		session.on("error", () => {});
		const cancel = this.#parts.clock.after(helloTimeoutMs, () => session.destroy());
		session.once("connect", cancel);
		session.once("close", () => {
			cancel();
			if (this.#session === session) this.#gone("it closed the connection");
		});
		this.#session = session;
		return session;
	}
}
