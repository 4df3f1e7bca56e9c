// What was computed before, so that equal views are the same object across proxies and across snapshots. A memory, not state:
// with an empty one every view comes out equal.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { GatewayView, InboundView, OutboundView, ProxyView, SecretView, ServiceView } from "../model/view.ts";
import type { Routing } from "./routing.ts";

/** Values that depend on the routing and on a scope (a text that says all else that matters). */
export class ScopedMemo<T> {
	readonly #entries = new Map<string, { routing: Routing; value: T; usedIn: number }>();
	#routing: Routing | undefined;
	#generation = 0;

	/** `build` gets the value that the scope had before, to keep what did not change. */
	get(scope: string, routing: Routing, build: (previous: T | undefined) => T): T {
		if (routing !== this.#routing) this.#startGeneration(routing);
		const known = this.#entries.get(scope);
		if (known !== undefined && known.routing === routing) {
			known.usedIn = this.#generation;
			return known.value;
		}
		const value = build(known?.value);
		this.#entries.set(scope, { routing, value, usedIn: this.#generation });
		return value;
	}

	/** Scopes that nobody asked for during many changes of the routing are forgotten. */
	#startGeneration(routing: Routing): void {
		this.#routing = routing;
		this.#generation++;
		for (const [scope, entry] of this.#entries)
			if (entry.usedIn < this.#generation - keptGenerations) this.#entries.delete(scope);
	}
}

const keptGenerations = 64;

export class ViewMemo {
	/** By namespace of the client: all services visible there. */
	readonly services = new ScopedMemo<readonly ServiceView[]>();
	readonly outbound = new ScopedMemo<OutboundView>();
	readonly gateways = new ScopedMemo<GatewayView>();
	readonly inbound = new WeakMap<MeshProxy, InboundView>();
	/** By the view that names the secrets. */
	readonly secrets = new WeakMap<object, readonly SecretView[]>();
	readonly views = new WeakMap<MeshProxy, ProxyView>();
}
