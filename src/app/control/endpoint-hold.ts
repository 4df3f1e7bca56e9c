// Runs the guard of endpoints with a clock: changes of endpoints pass it, and what it held comes out later.

import type { AnyObject, ObjectKey } from "../../resources/config-object.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type Change, kindOfChange } from "../../snapshot/change.ts";
import type { ObjectStore } from "../../snapshot/object-store.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import {
	defaultEndpointGuardConfig,
	type EndpointGuardEvent,
	openEndpointGuard,
	stepEndpointGuard,
} from "./endpoint-guard.ts";

/** Kinds that, when they change, change endpoints in the first place. */
const endpointKinds = ["EndpointSlice", "Pod", "WorkloadEntry"] as const;
const endpointKindNames: ReadonlySet<string> = new Set(endpointKinds);

export function concernsEndpoints(change: Change): boolean {
	return endpointKindNames.has(kindOfChange(change));
}

export interface EndpointHoldParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: ControlMetrics;
	/** In force. */
	readonly objects: () => ObjectStore;
	/** What was held is to go after all. */
	readonly onReleased: (changes: readonly Change[]) => void;
}

export class EndpointHold {
	readonly #parts: EndpointHoldParts;
	#state = openEndpointGuard;
	#cancel: Cancel = () => {};

	constructor(parts: EndpointHoldParts) {
		this.#parts = parts;
	}

	/** Removals that are held. */
	get size(): number {
		return this.#state.held.size;
	}

	/** What of the changes may pass. */
	admit(changes: readonly Change[]): readonly Change[] {
		const objects = this.#parts.objects();
		const present = endpointKinds.reduce((sum, kind) => sum + (objects[kind]?.size ?? 0), 0);
		const isEnding = (key: ObjectKey): boolean => {
			const kind = key.slice(0, key.indexOf("/")) as AnyObject["kind"];
			return objects[kind]?.get(key)?.metadata.deletedMs !== undefined;
		};
		return this.#step({ type: "changed", changes, present, isEnding, nowMs: this.#parts.clock.monotonicMs() });
	}

	/** The operator wants them gone. Returns how many that were. */
	confirm(): number {
		const { size } = this;
		this.#release({ type: "confirmed" });
		return size;
	}

	close(): void {
		this.#cancel();
	}

	#release(event: EndpointGuardEvent): void {
		const changes = this.#step(event);
		if (changes.length > 0) this.#parts.onReleased(changes);
	}

	#step(event: EndpointGuardEvent): readonly Change[] {
		const { clock, log, metrics } = this.#parts;
		const before = this.size;
		const { state, pass, wakeAfterMs } = stepEndpointGuard(defaultEndpointGuardConfig, this.#state, event);
		this.#state = state;
		this.#cancel();
		if (wakeAfterMs !== undefined)
			this.#cancel = clock.after(wakeAfterMs, () =>
				this.#release({ type: "timerExpired", nowMs: clock.monotonicMs() }),
			);
		metrics.heldRemovals.set(this.size);
		if (before === 0 && this.size > 0)
			log.warn(
				{ removals: this.size },
				"most endpoints would go at once: they stay for 30 s, unless that is confirmed",
			);
		return pass;
	}
}
