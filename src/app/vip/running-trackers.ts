// The probes of a configuration's trackers. In: the trackers; after a reload only those whose check changed start anew. Out: each
// result, by the tracker's name.

import type { ProbeContext, ProbeResult, ScriptSettings } from "../../health/probes/probe.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { TrackerConfig, VipConfig } from "../../vip/vip-config.ts";

export interface RunningTrackersDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly network: NonNullable<ProbeContext["network"]>;
	readonly onResult: (tracker: string, result: ProbeResult) => void;
}

interface Running {
	readonly check: string;
	close(): void;
}

export class RunningTrackers {
	readonly #deps: RunningTrackersDeps;
	readonly #running = new Map<string, Running>();

	constructor(deps: RunningTrackersDeps) {
		this.#deps = deps;
	}

	/** Files, processes, links and routes have said what they are when this is done. */
	async configure({ trackers, global }: VipConfig): Promise<void> {
		const wanted = new Map(trackers.map((tracker) => [tracker.name, tracker]));
		const { user, group, security } = global.scripts;
		const scripts: ScriptSettings = { user, ...(group === undefined ? {} : { group }), security };
		for (const [name, running] of this.#running) {
			const tracker = wanted.get(name);
			if (tracker && checkText(tracker, scripts) === running.check) continue;
			running.close();
			this.#running.delete(name);
		}
		if (trackers.length === 0) return;
		const { startProbe } = await import("../../health/probes/start-probe.ts");
		for (const tracker of trackers) {
			const { name } = tracker;
			if (this.#running.has(name)) continue;
			const { clock, network, log, onResult } = this.#deps;
			const probe = startProbe(tracker.check, {
				clock,
				network,
				scripts,
				onResult: (result) => onResult(name, result),
			});
			if (probe.refused !== undefined) log.error({ tracker: name, because: probe.refused }, "a tracker does not run");
			this.#running.set(name, { check: checkText(tracker, scripts), close: () => probe.close() });
		}
	}

	close(): void {
		for (const running of this.#running.values()) running.close();
		this.#running.clear();
	}
}

/** What a running probe depends on. */
function checkText({ check }: TrackerConfig, scripts: ScriptSettings): string {
	return JSON.stringify([check, check.type === "script" ? scripts : null]);
}
