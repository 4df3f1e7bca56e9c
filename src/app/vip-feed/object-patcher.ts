// Patches of objects, one after the other for each object, a few at a time. A version of an object is patched once: what comes of it
// is heard by the watch. What the server refuses for another reason than a newer version is told to be tried again later.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { Refused } from "../../kubernetes/client/refused.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

export interface PatcherDeps {
	readonly client: Pick<KubernetesClient, "request">;
	readonly clock: Clock;
	readonly log: Log;
	/** Something failed a while ago: look again what there is to write. */
	readonly onRetry: () => void;
}

const atOnce = 4;
const retryMs = 2000;

interface Patch {
	readonly path: string;
	/** What it was made of: the same patch of the same version is written once. */
	readonly version: string;
	readonly body: object;
}

export class ObjectPatcher {
	readonly #deps: PatcherDeps;
	/** By path. */
	readonly #waiting = new Map<string, Patch>();
	readonly #running = new Set<string>();
	readonly #done = new Map<string, string>();
	#retries = false;

	constructor(deps: PatcherDeps) {
		this.#deps = deps;
	}

	/** A later patch of an object takes the place of one that still waits. */
	patch(patch: Patch): void {
		const mark = markOf(patch);
		if (this.#done.get(patch.path) === mark) return;
		this.#waiting.set(patch.path, patch);
		this.#next();
	}

	#next(): void {
		for (const patch of this.#waiting.values()) {
			if (this.#running.size >= atOnce) return;
			if (this.#running.has(patch.path)) continue;
			this.#waiting.delete(patch.path);
			this.#running.add(patch.path);
			void this.#send(patch).finally(() => {
				this.#running.delete(patch.path);
				this.#next();
			});
		}
	}

	async #send(patch: Patch): Promise<void> {
		const { client, log } = this.#deps;
		this.#done.set(patch.path, markOf(patch));
		try {
			const answer = await client.request("PATCH", patch.path, { body: patch.body, timeoutMs: 5000 });
			// A newer version, or none any more: the watch will say.
			if (answer.status < 300 || answer.status === 409 || answer.status === 404) return;
			throw Refused.of(answer);
		} catch (error) {
			this.#done.delete(patch.path);
			log.warn({ path: patch.path, because: String(error) }, "a status could not be written");
			this.#retryLater();
		}
	}

	#retryLater(): void {
		if (this.#retries) return;
		this.#retries = true;
		this.#deps.clock.after(retryMs, () => {
			this.#retries = false;
			this.#deps.onRetry();
		});
	}
}

const markOf = ({ version, body }: Patch): string => `${version} ${JSON.stringify(body)}`;
