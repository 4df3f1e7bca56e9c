// The Services that control planes send on this node's own stream. In: what was kept on disk, responses. Out: which Services
// changed. A response that takes most of them away at once is held for a while: more often it is a source that lost its sync
// than somebody who meant it.

import type { Layer4Service } from "../../l4/layer4-service.ts";
import { decodeLayer4Service, layer4ServiceTypeUrl } from "../../l4/service-codec.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type ResponseSummary, valueOfAny } from "../../xds/relay-message.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import type { OwnSubscription } from "../own-stream.ts";
import type { RulesProblem } from "./layer4-status.ts";

export interface ServiceSubscriptionDeps {
	/** Undefined: the Service is gone. */
	readonly onServices: (changed: ReadonlyMap<string, Layer4Service | undefined>) => void;
	readonly clock: Clock;
	readonly log: Log;
}

/** Sets of this size or smaller may lose anything. */
const minServices = 20;
const maxRemovedShare = 0.5;
/** A removal that is still wanted after this time was meant. */
const holdMs = 30_000;
/** To name more would make a request that is too large: then they are sent again. */
const maxNamedVersions = 40_000;

type Resource = Pick<EncodedResource, "name" | "version" | "any">;

export class ServiceSubscription implements OwnSubscription {
	readonly typeUrl = layer4ServiceTypeUrl;
	readonly #deps: ServiceSubscriptionDeps;
	readonly #versions = new Map<string, string>();
	/** Gone by what the control planes say, and kept for now. */
	readonly #held = new Set<string>();
	#cancelHold: Cancel | undefined;
	/** Not on disk before the hold is over. */
	readonly #unwritten: (() => void)[] = [];

	constructor(deps: ServiceSubscriptionDeps) {
		this.#deps = deps;
	}

	/** What an earlier run accepted: in force until a control plane says otherwise. */
	restore(resources: Iterable<Resource>): void {
		const changed = this.#read(resources).changed;
		if (changed.size === 0) return;
		this.#deps.log.info({ services: changed.size }, "layer 4: Services of an earlier run are in force");
		this.#deps.onServices(changed);
	}

	versions(): ReadonlyMap<string, string> {
		return this.#versions.size > maxNamedVersions ? new Map() : this.#versions;
	}

	take(response: ResponseSummary): string | undefined {
		const { changed, unreadable } = this.#read(response.resources);
		for (const name of changed.keys()) this.#held.delete(name);
		const gone = response.removed.filter((name) => this.#versions.delete(name));
		const had = this.#versions.size + gone.length + this.#held.size;
		const isMost = had > minServices && gone.length + this.#held.size > had * maxRemovedShare;
		if (isMost && gone.length > 0) this.#hold(gone, had);
		else for (const name of gone) changed.set(name, undefined);
		this.#deps.onServices(changed);
		return unreadable.length === 0 ? undefined : `no Service can be read in ${unreadable.slice(0, 5).join(", ")}`;
	}

	problems(): readonly RulesProblem[] {
		if (this.#held.size === 0) return [];
		const because = `control planes took ${this.#held.size} of ${this.#held.size + this.#versions.size} away at once; they are removed when that still holds after ${holdMs / 1000} s`;
		return [{ about: "Services", because }];
	}

	/** What was accepted goes to disk; of a hold only when that is over, so that a run that begins meanwhile holds them as well. */
	write(write: () => void): void {
		if (this.#cancelHold) this.#unwritten.push(write);
		else write();
	}

	close(): void {
		this.#cancelHold?.();
	}

	#hold(gone: readonly string[], had: number): void {
		const isFirst = this.#held.size === 0;
		for (const name of gone) this.#held.add(name);
		this.#deps.log.error({ gone: this.#held.size, had }, "layer 4: most Services went at once; they are kept for now");
		if (!isFirst) return;
		this.#cancelHold?.();
		this.#cancelHold = this.#deps.clock.after(holdMs, () => {
			this.#cancelHold = undefined;
			const changed = new Map([...this.#held].map((name) => [name, undefined] as const));
			this.#held.clear();
			this.#deps.log.warn({ services: changed.size }, "layer 4: Services that went are removed");
			this.#deps.onServices(changed);
			for (const write of this.#unwritten.splice(0)) write();
		});
	}

	#read(resources: Iterable<Resource>) {
		const changed = new Map<string, Layer4Service | undefined>();
		const unreadable: string[] = [];
		for (const { name, version, any } of resources) {
			const service = decodeLayer4Service(valueOfAny(any));
			if (!service) {
				unreadable.push(name);
				continue;
			}
			this.#versions.set(name, version);
			changed.set(name, service);
		}
		return { changed, unreadable };
	}
}
