// Leases of Kubernetes by way of the process that follows the cluster: this one has neither TLS nor certificates. A JSON line a
// question, a JSON line an answer, over a Unix socket; an answer names its question.

import { connect, createServer, type Server, type Socket } from "node:net";
import type { LeaseClaim, LeaseName, LeaseOutcome, LeaseStore, StoredLease } from "../../vip/election/lease-store.ts";

interface Question {
	readonly id: number;
	readonly operation: "read" | "acquire" | "renew" | "release";
	readonly name: LeaseName;
	readonly claim?: LeaseClaim;
	readonly seen?: StoredLease;
}

interface Answer {
	readonly id: number;
	readonly outcome: LeaseOutcome;
}

export class SocketLeaseStore implements LeaseStore {
	readonly #path: string;
	readonly #waiting = new Map<number, (outcome: LeaseOutcome) => void>();
	#socket: Socket | undefined;
	#lastId = 0;

	constructor(path: string) {
		this.#path = path;
	}

	read(name: LeaseName): Promise<LeaseOutcome> {
		return this.#ask({ operation: "read", name });
	}

	acquire(name: LeaseName, claim: LeaseClaim, seen: StoredLease | undefined): Promise<LeaseOutcome> {
		return this.#ask({ operation: "acquire", name, claim, ...(seen ? { seen } : {}) });
	}

	renew(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		return this.#ask({ operation: "renew", name, claim, seen });
	}

	release(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		return this.#ask({ operation: "release", name, claim, seen });
	}

	#ask(question: Omit<Question, "id">): Promise<LeaseOutcome> {
		const id = ++this.#lastId;
		return new Promise((resolve) => {
			this.#waiting.set(id, resolve);
			this.#open().write(`${JSON.stringify({ ...question, id })}\n`);
		});
	}

	#open(): Socket {
		if (this.#socket) return this.#socket;
		const socket = connect(this.#path);
		this.#socket = socket;
		socket.unref();
		onLines(socket, (line) => {
			const { id, outcome } = line as Answer;
			this.#waiting.get(id)?.(outcome);
			this.#waiting.delete(id);
		});
		let because = "the process that follows the cluster ended";
		socket.on("error", (error) => {
			because = `the process that follows the cluster does not answer: ${error.message}`;
		});
		socket.on("close", () => {
			this.#socket = undefined;
			const waiting = [...this.#waiting.values()];
			this.#waiting.clear();
			for (const resolve of waiting) resolve({ ok: false, because: "unreachable", message: because });
		});
		return socket;
	}
}

/** Answers from a store; the caller listens. */
export function createLeaseServer(store: LeaseStore): Server {
	return createServer((socket) => {
		// Who asks may stay connected: that is no reason to go on.
		socket.unref();
		socket.on("error", () => socket.destroy());
		onLines(socket, (line) => {
			const question = line as Question;
			void outcomeOf(store, question).then((outcome) => {
				if (!socket.destroyed) socket.write(`${JSON.stringify({ id: question.id, outcome } satisfies Answer)}\n`);
			});
		});
	});
}

function outcomeOf(store: LeaseStore, { operation, name, claim, seen }: Question): Promise<LeaseOutcome> {
	if (operation === "read") return store.read(name);
	if (claim && operation === "acquire") return store.acquire(name, claim, seen);
	if (claim && seen && operation !== "acquire") return store[operation](name, claim, seen);
	return Promise.resolve({ ok: false, because: "unreachable", message: `no question: ${operation}` });
}

function onLines(socket: Socket, onLine: (line: unknown) => void): void {
	let rest = "";
	socket.setEncoding("utf8").on("data", (text: string) => {
		const lines = (rest + text).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) onLine(JSON.parse(line));
	});
}
