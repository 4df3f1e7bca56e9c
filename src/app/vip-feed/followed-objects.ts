// All objects of one kind that are of interest, as they are now. In: what the watch tells. Out: a map, and that it changed. While the
// server cannot be asked it stays as it is; a kind that the server does not have is as good as empty.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { ApiResource } from "../../kubernetes/client/resource-path.ts";
import { type ResourceWatch, watchResource } from "../../kubernetes/client/watch-resource.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

export interface FollowTarget<T> {
	readonly resource: ApiResource;
	readonly namespace?: string;
	readonly name?: string;
	/** `before` is what was kept of an earlier version. Undefined: it is of no interest. */
	readonly keep: (raw: RawObject, before: T | undefined) => T | undefined;
}

export interface FollowDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly onChange: () => void;
}

export class FollowedObjects<T> {
	/** By NAMESPACE/NAME. */
	readonly objects = new Map<string, T>();
	/** Everything that there is was told once. */
	isSynced = false;
	/** Monotonic time of the last word of the server, while it cannot be asked. */
	stale: { readonly sinceMs: number; readonly because: string } | undefined;
	readonly #watch: ResourceWatch;

	constructor({ resource, namespace, name, keep }: FollowTarget<T>, deps: FollowDeps) {
		const { client, clock, log, onChange } = deps;
		this.#watch = watchResource<{ readonly key: string; readonly value: T }>(
			client,
			{
				resource,
				...(namespace === undefined ? {} : { namespace }),
				...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
				keep: (raw) => {
					const key = `${raw.metadata.namespace ?? ""}/${raw.metadata.name}`;
					const value = keep(raw, this.objects.get(key));
					return value === undefined ? undefined : { key, value };
				},
			},
			{
				clock,
				log,
				onEvent: (event) => {
					switch (event.type) {
						case "synced":
							this.isSynced = true;
							this.objects.clear();
							for (const { key, value } of event.objects) this.objects.set(key, value);
							break;
						case "applied": {
							const { key, value } = event.object;
							const before = this.objects.get(key);
							this.objects.set(key, value);
							// Most changes of a Node are about what is not held.
							if (before !== undefined && JSON.stringify(before) === JSON.stringify(value)) return;
							break;
						}
						case "removed":
							this.objects.delete(`${event.namespace}/${event.name}`);
							break;
						case "stale":
							this.stale = event;
							// Its definition may come later: then there is a list.
							if (isUnknownKind(event.because)) this.isSynced = true;
							break;
						case "fresh":
							this.stale = undefined;
							break;
						default:
							event satisfies never;
					}
					onChange();
				},
			},
		);
	}

	/** The server does not know the kind. */
	get isUnknown(): boolean {
		return this.stale !== undefined && isUnknownKind(this.stale.because);
	}

	get values(): readonly T[] {
		return [...this.objects.values()];
	}

	close(): void {
		this.#watch.close();
	}
}

const isUnknownKind = (because: string): boolean => because.includes("could not find the requested resource");
