// Keys of virtual routers, from the Secrets that are named and from no others.

import { Buffer } from "node:buffer";
import type { RawObject } from "../../kubernetes/client/api-object.ts";
import { secrets } from "../../kubernetes/client/api-resources.ts";
import { type FollowDeps, FollowedObjects } from "./followed-objects.ts";

export class SecretKeys {
	readonly #deps: FollowDeps;
	readonly #followed = new Map<string, FollowedObjects<string>>();
	/** Of an earlier run, until the server has answered. */
	readonly #kept: ReadonlyMap<string, string>;

	constructor(kept: ReadonlyMap<string, string>, deps: FollowDeps) {
		this.#kept = kept;
		this.#deps = deps;
	}

	/** Begins to follow the Secret; undefined as long as there is no key. */
	key(namespace: string, name: string): string | undefined {
		const place = `${namespace}/${name}`;
		let followed = this.#followed.get(place);
		if (!followed) {
			followed = new FollowedObjects({ resource: secrets, namespace, name, keep: keyOf }, this.#deps);
			this.#followed.set(place, followed);
		}
		return followed.isSynced ? followed.objects.get(place) : this.#kept.get(place);
	}

	/** What an API server that is gone must not take away. */
	get known(): ReadonlyMap<string, string> {
		const known = new Map<string, string>();
		for (const [place, followed] of this.#followed) {
			const key = followed.isSynced ? followed.objects.get(place) : this.#kept.get(place);
			if (key !== undefined) known.set(place, key);
		}
		return known;
	}

	close(): void {
		for (const followed of this.#followed.values()) followed.close();
	}
}

function keyOf({ data }: RawObject): string | undefined {
	const { key } = (data ?? {}) as { readonly key?: string };
	return key === undefined ? undefined : Buffer.from(key, "base64").toString("utf8").split("\n", 1)[0];
}
