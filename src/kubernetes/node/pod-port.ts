// A port of a pod's network namespace on which the agent answers HTTP while nobody else is there. In: who answers. Out: a server that
// listens until it is closed, or none where somebody has the port, or the namespace is gone.

import { createServer, type RequestListener, type Server } from "node:http";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";

export interface PodPortOptions {
	readonly netns: string;
	readonly port: number;
	readonly mostConnections: number;
	readonly answer: RequestListener;
}

export class PodPort {
	readonly #options: PodPortOptions;
	#server: Server | undefined;

	constructor(options: PodPortOptions) {
		this.#options = options;
	}

	get isOpen(): boolean {
		return this.#server !== undefined;
	}

	/** Each answer ends its connection. */
	open(): void {
		if (this.#server) return;
		const { answer, mostConnections, netns, port } = this.#options;
		const server = createServer((request, response) => {
			request.resume();
			response.setHeader("connection", "close");
			answer(request, response);
		});
		server.maxConnections = mostConnections;
		server.on("error", () => {
			if (this.#server === server) this.#server = undefined;
		});
		this.#server = server;
		try {
			const inside = insideNamespace(netns);
			try {
				inside.run(() => server.listen(port));
			} finally {
				inside.close();
			}
		} catch {
			this.#server = undefined;
		}
	}

	/** The port is free when this returns. `keepsAnswering`: what was asked before is still answered. */
	close(keepsAnswering = false): void {
		this.#server?.close();
		if (keepsAnswering) this.#server?.closeIdleConnections();
		else this.#server?.closeAllConnections();
		this.#server = undefined;
	}
}
