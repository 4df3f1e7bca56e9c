// An API server whose kubeconfig may be written later, and again when its certificate is renewed: a static pod starts before both.
// In: how to open a client, and the file. Out: a client that fails until there is a file, and uses the newest one.

import { statSync } from "node:fs";
import {
	type ApiAnswer,
	type ApiMethod,
	type KubernetesClient,
	type OpenAnswer,
	type OpenOptions,
	type RequestOptions,
	TransportError,
} from "../../kubernetes/client/kubernetes-client.ts";

export class LateClient implements KubernetesClient {
	readonly #open: () => KubernetesClient;
	readonly #file: string | undefined;
	#client: KubernetesClient | undefined;
	#stamp: number | undefined;
	#closed = false;

	/** `file`: undefined when nothing is read of a file that changes. */
	constructor(open: () => KubernetesClient, file?: string) {
		this.#open = open;
		this.#file = file;
	}

	get server(): string {
		return this.#client?.server ?? "";
	}

	get namespace(): string {
		return this.#client?.namespace ?? "default";
	}

	async request(method: ApiMethod, path: string, options?: RequestOptions): Promise<ApiAnswer> {
		return this.#current().request(method, path, options);
	}

	async open(path: string, options?: OpenOptions): Promise<OpenAnswer> {
		return this.#current().open(path, options);
	}

	close(): void {
		this.#closed = true;
		this.#client?.close();
	}

	#current(): KubernetesClient {
		const stamp = this.#file === undefined ? 0 : changedMs(this.#file);
		if (this.#client && stamp === this.#stamp) return this.#client;
		if (this.#closed) throw new TransportError("the client was closed");
		let fresh: KubernetesClient;
		try {
			fresh = this.#open();
		} catch (error) {
			// Half-written, or gone for a moment: the old one may still do.
			if (this.#client) return this.#client;
			throw new TransportError(error instanceof Error ? error.message : String(error), { cause: error });
		}
		this.#stamp = stamp;
		const old = this.#client;
		this.#client = fresh;
		old?.close();
		return fresh;
	}
}

function changedMs(file: string): number | undefined {
	return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
