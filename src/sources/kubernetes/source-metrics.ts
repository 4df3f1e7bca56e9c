// What the source of resources counts: objects, events, and how old what it knows is.

import type { ResourceEvent } from "../../kubernetes/client/watch-resource.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { SourceStatus } from "./source-status.ts";

export class SourceMetrics {
	readonly #age;
	readonly #isFresh;
	readonly #isRestored;
	readonly #objects;
	readonly #secrets;
	readonly #events;
	#kinds: ReadonlySet<string> = new Set();

	constructor(metrics: Metrics) {
		this.#age = metrics.gauge(
			"keepmesh_source_age_seconds",
			"For how long the API server has said nothing; what was known stays in force. 0 while it can be followed.",
		);
		this.#isFresh = metrics.gauge("keepmesh_source_fresh", "1 while the API server can be followed.");
		this.#isRestored = metrics.gauge(
			"keepmesh_source_restored",
			"1 while a part of what is known comes from this disk: the API server has not been read since the start.",
		);
		this.#objects = metrics.gauge("keepmesh_source_objects", "Objects known from the API server.", ["kind"]);
		this.#secrets = metrics.gauge("keepmesh_source_secrets", "Secrets that are asked for by their names.");
		this.#events = metrics.counter("keepmesh_source_events_total", "What watches of the API server told.", [
			"kind",
			"type",
		]);
	}

	seen(kind: string, { type }: ResourceEvent<unknown>): void {
		this.#events.add(1, { kind, type });
	}

	show({ ageMs, isFresh, isRestored, kinds, secrets }: SourceStatus): void {
		this.#age.set(ageMs / 1000);
		this.#isFresh.set(isFresh ? 1 : 0);
		this.#isRestored.set(isRestored ? 1 : 0);
		this.#secrets.set(secrets);
		const now = new Set<string>(kinds.map(({ kind }) => kind));
		for (const kind of this.#kinds) if (!now.has(kind)) this.#objects.set(0, { kind });
		for (const { kind, objects } of kinds) this.#objects.set(objects, { kind });
		this.#kinds = now;
	}
}
