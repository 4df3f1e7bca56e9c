// A proxy's view -> its configuration, or why it cannot have it: it could not be generated, Envoy would wait for what it
// names, or it would take most of what the proxy has away.

import { danglingReferences, renderDangling } from "../../envoy/find-dangling-references.ts";
import { generateProxyConfig } from "../../envoy/generate-proxy-config.ts";
import type { ProxyView } from "../../model/view.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import type { ProxyConfig } from "../../xds/resource.ts";
import { OwnSets } from "./own-sets.ts";
import type { ProxyEntry, Withheld } from "./proxy-entry.ts";
import { heldMessage, judgePush, type PushGuardConfig } from "./push-guard.ts";

export type MadeConfig =
	| { readonly ok: true; readonly config: ProxyConfig }
	| { readonly ok: false; readonly withheld: Withheld };

export class ProxyConfigMaker {
	readonly #guard: PushGuardConfig;
	readonly #parts: { readonly clock: Clock; readonly log: Log; readonly metrics: ControlMetrics };
	readonly #ownSets = new OwnSets();

	constructor(
		guard: PushGuardConfig,
		parts: { readonly clock: Clock; readonly log: Log; readonly metrics: ControlMetrics },
	) {
		this.#guard = guard;
		this.#parts = parts;
	}

	/** `isConfirmed`: the operator wants it, whatever it takes away. */
	make(entry: ProxyEntry, view: ProxyView, snapshot: Snapshot, isConfirmed: boolean): MadeConfig {
		const { clock, log, metrics } = this.#parts;
		let config: ProxyConfig;
		try {
			config = new Map([
				...generateProxyConfig(entry.proxy, view),
				...this.#ownSets.setsFor(snapshot, entry.proxy, view),
			]);
		} catch (error) {
			metrics.internalErrors.add(1);
			const message = error instanceof Error ? error.message : String(error);
			log.error({ proxy: entry.proxy.id, err: error instanceof Error ? error.stack : message }, "generation failed");
			return { ok: false, withheld: { because: "generation", message } };
		}
		// A rule may name a destination that does not exist yet: its requests fail, as the rule says. What Envoy would wait
		// for would hold everything up.
		const dangling = danglingReferences(config).filter(({ effect }) => effect === "waits");
		if (dangling.length > 0) {
			metrics.internalErrors.add(1);
			const message = dangling.slice(0, 5).map(renderDangling).join("; ");
			return { ok: false, withheld: { because: "dangling", message } };
		}
		if (isConfirmed) return { ok: true, config };
		const before = entry.withheld?.because === "held" ? entry.withheld.held : undefined;
		const verdict = judgePush(this.#guard, entry.published, config, before, clock.monotonicMs());
		if (verdict.type === "send") return { ok: true, config };
		return { ok: false, withheld: { because: "held", message: heldMessage(verdict.held), held: verdict.held } };
	}
}
