// What was computed before, so that equal views are the same object across proxies and across snapshots. A memory, not state:
// with an empty one every view comes out equal.

import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { WorkloadSecurity } from "../model/security.ts";
import type { GatewayView, InboundView, OutboundView, ProxyView, SecretView, ServiceView } from "../model/view.ts";
import { sameValue } from "./same-value.ts";

/** Values that depend on a basis (the routing, or parts of it), a group (a namespace) and a text with all else that matters. */
export class ScopedMemo<T> {
	readonly #groups = new Map<string, Map<string, Entry<T>>>();
	#basis: object | undefined;
	#generation = 0;

	/**
	 * `build` gets the value that the scope had before, to keep what did not change. A value equal to the one before, or to
	 * that of another scope of the group, is that very object.
	 */
	get(group: string, scope: string, basis: object, build: (previous: T | undefined) => T): T {
		if (basis !== this.#basis) this.#startGeneration(basis);
		const entries = this.#groups.get(group) ?? new Map<string, Entry<T>>();
		this.#groups.set(group, entries);
		const known = entries.get(scope);
		if (known !== undefined && known.basis === basis) {
			known.usedIn = this.#generation;
			return known.value;
		}
		const built = build(known?.value);
		const equal = [known, ...entries.values()].find((entry) => entry !== undefined && sameValue(entry.value, built));
		const value = equal?.value ?? built;
		entries.set(scope, { basis, value, usedIn: this.#generation });
		return value;
	}

	/** Scopes that nobody asked for during many changes of the basis are forgotten. */
	#startGeneration(basis: object): void {
		this.#basis = basis;
		this.#generation++;
		for (const [group, entries] of this.#groups) {
			for (const [scope, entry] of entries)
				if (entry.usedIn < this.#generation - keptGenerations) entries.delete(scope);
			if (entries.size === 0) this.#groups.delete(group);
		}
	}
}

interface Entry<T> {
	readonly basis: object;
	readonly value: T;
	usedIn: number;
}

const keptGenerations = 64;

export class ViewMemo {
	/** By namespace of the client: all services visible there. */
	readonly services = new ScopedMemo<readonly ServiceView[]>();
	readonly outbound = new ScopedMemo<OutboundView>();
	readonly gateways = new ScopedMemo<GatewayView>();
	/** By namespace of the workload. */
	readonly security = new ScopedMemo<WorkloadSecurity>();
	/** By namespace of the workload. */
	readonly hotSwitch = new ScopedMemo<HotSwitchPolicy>();
	/** By the gateway view without policies, then by the policies. */
	readonly guardedGateways = new WeakMap<GatewayView, WeakMap<WorkloadSecurity, GatewayView>>();
	readonly inbound = new WeakMap<MeshProxy, InboundView>();
	/** By the view that names the secrets. */
	readonly secrets = new WeakMap<object, readonly SecretView[]>();
	readonly views = new WeakMap<MeshProxy, ProxyView>();
}
