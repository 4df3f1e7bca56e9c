// Reads one HTTP/1 response: bytes come in, and in the end a status, once the whole body is there. Bounded in size.

const maxHeadBytes = 16 * 1024;
/** More of a body is not waited for. */
const maxBodyBytes = 1024 * 1024;

export interface HttpResponse {
	readonly status: number;
	/** The connection stays open afterwards. */
	readonly keepsAlive: boolean;
}

export type ResponseProgress =
	| { readonly type: "more" }
	| { readonly type: "done"; readonly response: HttpResponse }
	| { readonly type: "bad"; readonly because: string };

export class HttpResponseReader {
	#head = "";
	#response: HttpResponse | undefined;
	/** Bytes of the body to come; `chunked` until its end; `close` until the connection's. */
	#body: number | "chunked" | "close" = 0;
	#seen = 0;
	#tail = "";

	push(bytes: Uint8Array): ResponseProgress {
		const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
		return this.#response ? this.#takeBody(text) : this.#takeHead(text);
	}

	/** The connection has ended. */
	end(): ResponseProgress {
		if (!this.#response) return { type: "bad", because: "connection closed without an answer" };
		if (this.#body === "close") return { type: "done", response: this.#response };
		return { type: "bad", because: `connection closed in the middle of HTTP ${this.#response.status}` };
	}

	#takeHead(text: string): ResponseProgress {
		this.#head += text;
		for (;;) {
			const end = this.#head.indexOf("\r\n\r\n");
			if (end < 0)
				return this.#head.length > maxHeadBytes ? { type: "bad", because: "header too long" } : { type: "more" };
			const head = this.#head.slice(0, end);
			const rest = this.#head.slice(end + 4);
			const match = /^HTTP\/1\.([01]) (\d{3})(?: |\r|$)/.exec(head);
			if (!match) return { type: "bad", because: "no HTTP answer" };
			const status = Number(match[2]);
			if (status < 200 && status !== 101) {
				this.#head = rest;
				continue;
			}
			const header = (name: string): string | undefined =>
				new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*)`, "i").exec(head)?.[1]?.trim().toLowerCase();
			const length = header("content-length");
			const chunked = header("transfer-encoding")?.endsWith("chunked") ?? false;
			const empty = status === 204 || status === 304 || status === 101;
			this.#body = empty ? 0 : chunked ? "chunked" : length === undefined ? "close" : Number(length) || 0;
			const connection = header("connection") ?? (match[1] === "1" ? "keep-alive" : "close");
			this.#response = { status, keepsAlive: connection !== "close" && this.#body !== "close" };
			this.#head = "";
			return this.#takeBody(rest);
		}
	}

	#takeBody(text: string): ResponseProgress {
		const response = this.#response;
		if (!response) throw new Error("no response yet");
		this.#seen += text.length;
		if (this.#seen > maxBodyBytes) return { type: "done", response: { ...response, keepsAlive: false } };
		if (typeof this.#body === "number") return this.#seen >= this.#body ? { type: "done", response } : { type: "more" };
		if (this.#body === "close") return { type: "more" };
		// The last chunk, with no trailers, ends every chunked body that a health endpoint sends.
		this.#tail = (this.#tail + text).slice(-7);
		const ended = this.#tail.endsWith("\r\n0\r\n\r\n") || (this.#seen === 5 && this.#tail === "0\r\n\r\n");
		return ended ? { type: "done", response } : { type: "more" };
	}
}
