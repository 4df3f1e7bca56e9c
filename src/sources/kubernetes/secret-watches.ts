// Watches of single Secrets by their names, as many as are needed and no others. In: which are needed. Out: each as it is.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { type ResourceEvent, type ResourceWatch, watchResource } from "../../kubernetes/client/watch-resource.ts";
import { type ObjectKey, objectKey } from "../../resources/config-object.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type ReadApiObject, readApiObject } from "./read-api-object.ts";
import { secretResource } from "./watched-kinds.ts";

export interface SecretWatchesParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly random?: () => number;
	/** `key`: whose watch it is. */
	readonly onEvent: (event: ResourceEvent<ReadApiObject>, key: ObjectKey) => void;
	/** It is no longer needed. */
	readonly onDropped: (key: ObjectKey) => void;
}

export class SecretWatches {
	readonly #parts: SecretWatchesParts;
	/** By `NAMESPACE/NAME`. */
	readonly #open = new Map<string, ResourceWatch>();

	constructor(parts: SecretWatchesParts) {
		this.#parts = parts;
	}

	get size(): number {
		return this.#open.size;
	}

	/** Every one that is needed has been read, or is known not to exist. */
	get isSynced(): boolean {
		return [...this.#open.values()].every((watch) => watch.status().isSynced);
	}

	needs(key: ObjectKey): boolean {
		return key.startsWith("Secret/") && this.#open.has(key.slice("Secret/".length));
	}

	need(secrets: ReadonlySet<string>): void {
		const { client, clock, log, onDropped, onEvent, random } = this.#parts;
		for (const [secret, watch] of this.#open) {
			if (secrets.has(secret)) continue;
			watch.close();
			this.#open.delete(secret);
			onDropped(objectKey("Secret", ...splitName(secret)));
		}
		for (const secret of secrets) {
			if (this.#open.has(secret)) continue;
			const [namespace, name] = splitName(secret);
			const target = {
				resource: secretResource,
				namespace,
				fieldSelector: `metadata.name=${name}`,
				keep: (raw: Parameters<typeof readApiObject>[1]) => readApiObject("Secret", raw),
			};
			const key = objectKey("Secret", namespace, name);
			const deps = { clock, log, onEvent: (event: ResourceEvent<ReadApiObject>) => onEvent(event, key) };
			this.#open.set(secret, watchResource(client, target, { ...deps, ...(random ? { random } : {}) }));
		}
	}

	retryNow(): void {
		for (const watch of this.#open.values()) watch.retryNow();
	}

	close(): void {
		for (const watch of this.#open.values()) watch.close();
	}
}

function splitName(secret: string): readonly [string, string] {
	const slash = secret.indexOf("/");
	return [secret.slice(0, slash), secret.slice(slash + 1)];
}
