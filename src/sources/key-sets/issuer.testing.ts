// An issuer on loopback: serves what the test says, and counts what it is asked.

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export class TestIssuer {
	readonly #server: Server;
	readonly asked: string[] = [];
	answer: RequestListener;

	private constructor(answer: RequestListener) {
		this.answer = answer;
		this.#server = createServer((incoming, response) => {
			this.asked.push(`${incoming.headers.host} ${incoming.url}`);
			this.answer(incoming, response);
		});
	}

	static async start(answer: RequestListener = serving('{"keys":[]}'), port = 0): Promise<TestIssuer> {
		const issuer = new TestIssuer(answer);
		issuer.#server.listen(port, "127.0.0.1");
		await once(issuer.#server, "listening");
		return issuer;
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	get uri(): string {
		return `http://127.0.0.1:${this.port}`;
	}

	async close(): Promise<void> {
		this.#server.closeAllConnections();
		if (!this.#server.listening) return;
		this.#server.close();
		await once(this.#server, "close");
	}
}

export function serving(body: string, status = 200): RequestListener {
	return (_incoming, response) => {
		response.statusCode = status;
		response.end(body);
	};
}
