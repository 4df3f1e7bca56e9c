// The agent's sockets inside one pod. In: the pod's network namespace; connections of its proxy, and of nobody else. Out: they are
// handed to the servers that the node has for all pods, marked as this pod's; the start configuration is handed out here.

import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";
import { type PeerCredentials, peerCredentials } from "../../kernel/linux/peer-credentials.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type AgentSocket, agentSockets } from "./proxy-places.ts";

/** What a proxy is told: what it asked for, or why not yet. */
export type DoorAnswer =
	| { readonly ok: true; readonly body?: object }
	/** `isFinal`: it is not to ask again. */
	| { readonly ok: false; readonly because: string; readonly isFinal?: boolean };

export interface PodDoorDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** As logs name the pod. */
	readonly owner: string;
	readonly netns: string;
	/** A proxy that needs rights runs as root, in the proxies' group. */
	readonly isRootProxy: boolean;
	/** `pid`: of the process that asks, and becomes Envoy with what it is given. */
	readonly bootstrap: (pid: number) => DoorAnswer;
	readonly redirect: () => DoorAnswer;
	/** Whether the application may start; resolves when that is known, or late. `hungUp`: who asks is gone. */
	readonly ready: (hungUp: AbortSignal) => Promise<DoorAnswer>;
	/** A connection to one of the node's servers. */
	readonly accept: (to: Exclude<AgentSocket, "node">, socket: Socket) => void;
}

const againMs = 500;

export class PodDoor {
	readonly #deps: PodDoorDeps;
	readonly #servers: Server[] = [];
	#cancel: Cancel = () => {};
	#isClosed = false;

	constructor(deps: PodDoorDeps) {
		this.#deps = deps;
	}

	/** Tries again while somebody else has the names, as an agent that is about to end. */
	open(): void {
		const { netns, log, owner } = this.#deps;
		this.#end();
		try {
			const inside = insideNamespace(netns);
			try {
				for (const to of Object.keys(agentSockets) as AgentSocket[]) {
					const server = this.#serverFor(to);
					this.#servers.push(server);
					inside.run(() => server.listen(`\0${agentSockets[to]}`));
				}
			} finally {
				inside.close();
			}
		} catch (error) {
			log.warn({ pod: owner, because: String(error) }, "the pod's sockets could not be opened");
			this.#again();
		}
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel();
		this.#end();
	}

	#end(): void {
		for (const server of this.#servers.splice(0)) server.close();
	}

	#again(): void {
		this.#cancel();
		if (!this.#isClosed) this.#cancel = this.#deps.clock.after(againMs, () => this.open());
	}

	#serverFor(to: AgentSocket): Server {
		const { accept, log, owner } = this.#deps;
		const http = createHttpServer((request, response) => this.#answer(request, response));
		const server = createServer((socket) => {
			socket.on("error", () => {});
			const peer = peerCredentials(socket);
			if (!peer || !this.#isProxy(peer)) {
				log.warn({ pod: owner, socket: agentSockets[to], peer }, "a process that is no proxy was refused");
				if (to === "node") socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
				else socket.destroy();
				return;
			}
			if (to === "node") http.emit("connection", socket);
			else accept(to, socket);
		});
		server.on("error", (error) => {
			if (this.#isClosed || !this.#servers.includes(server)) return;
			log.warn({ pod: owner, because: error.message }, "a socket of the pod could not be opened; trying again");
			this.#again();
		});
		return server;
	}

	#isProxy({ gid, uid }: PeerCredentials): boolean {
		return uid === proxyUid || (this.#deps.isRootProxy && uid === 0 && gid === proxyUid);
	}

	#answer(request: IncomingMessage, response: ServerResponse): void {
		const { bootstrap, ready, redirect } = this.#deps;
		const asked = `${request.method} ${request.url}`;
		switch (asked) {
			case "GET /v1/bootstrap":
				say(response, bootstrap(peerCredentials(request.socket)?.pid ?? 0));
				break;
			case "GET /v1/redirect":
				say(response, redirect());
				break;
			case "GET /v1/ready": {
				const hungUp = new AbortController();
				// An agent that ends hangs up itself.
				response.on("close", () => !this.#isClosed && !response.writableEnded && hungUp.abort());
				void ready(hungUp.signal).then((answer) => say(response, answer));
				break;
			}
			default:
				response.writeHead(404).end(`${asked} is not served here\n`);
		}
	}
}

function say(response: ServerResponse, answer: DoorAnswer): void {
	if (answer.ok) response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer.body ?? {}));
	else response.writeHead(answer.isFinal ? 410 : 503, { "content-type": "text/plain" }).end(`${answer.because}\n`);
}
