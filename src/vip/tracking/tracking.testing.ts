// Trackers, and a machine with a clock of its own, for the tests of tracking.

import type { InstanceConfig, SyncGroupConfig, TrackerCheck, TrackerConfig } from "../vip-config.ts";
import { instanceForTest } from "../vrrp/instance-config.testing.ts";
import type { TrackingConfig } from "./tracked-weights.ts";
import { emptyTracking, reloadTracking, stepTracking } from "./tracking-machine.ts";
import type { InstanceTracking, TrackingAction, TrackingEvent, TrackingState } from "./tracking-state.ts";

export const script: TrackerCheck = { type: "script", argv: ["/bin/true"], intervalMs: 1000, timeoutMs: 1000 };
export const file: TrackerCheck = { type: "file", path: "/tmp/none" };
export const link: TrackerCheck = { type: "interface", interface: "eth1" };

export function tracker(name: string, changed: Partial<TrackerConfig> = {}): TrackerConfig {
	return {
		name,
		weight: 0,
		reverse: false,
		rise: 1,
		fall: 1,
		startsFailed: false,
		firstResultDecides: true,
		check: script,
		...changed,
	};
}

export function trackingConfig(
	trackers: readonly TrackerConfig[],
	instance: Partial<InstanceConfig> = {},
	groups: readonly SyncGroupConfig[] = [],
): TrackingConfig {
	const tracked = groups.some((group) => group.tracked.length > 0)
		? []
		: trackers.map((one) => ({ tracker: one.name }));
	return { instances: [instanceForTest({ tracked, ...instance })], groups, trackers };
}

type Unstamped<Event> = Event extends { readonly nowUs: number } ? Omit<Event, "nowUs"> : never;

/** Feeds events, fires the timer when it is due, and remembers what the instances were told. */
export class TrackingRig {
	nowUs = 0;
	state: TrackingState = emptyTracking;
	readonly told: string[] = [];
	readonly actions: TrackingAction[] = [];
	#dueUs: number | undefined;
	#config: TrackingConfig;

	constructor(config: TrackingConfig, owned: readonly string[] = []) {
		this.#config = config;
		this.send({ type: "started", owned });
	}

	send(event: Unstamped<TrackingEvent>): readonly string[] {
		const step = stepTracking(this.#config, this.state, { ...event, nowUs: this.nowUs } as TrackingEvent);
		return this.#take(step);
	}

	reload(config: TrackingConfig): readonly string[] {
		const step = reloadTracking(this.#config, config, this.state, this.nowUs);
		this.#config = config;
		return this.#take(step);
	}

	result(name: string, ok: boolean, value?: number): readonly string[] {
		const because = ok ? "good" : "bad";
		return this.send({ type: "trackerResult", tracker: name, ok, because, ...(value === undefined ? {} : { value }) });
	}

	advance(ms: number): readonly string[] {
		const untilUs = this.nowUs + ms * 1000;
		const before = this.told.length;
		while (this.#dueUs !== undefined && this.#dueUs <= untilUs) {
			this.nowUs = Math.max(this.nowUs, this.#dueUs);
			this.#dueUs = undefined;
			this.send({ type: "timerExpired" });
		}
		this.nowUs = untilUs;
		return this.told.slice(before);
	}

	instance(name = "web"): InstanceTracking {
		const found = this.state.instances.get(name);
		if (!found) throw new Error(`no instance ${name}`);
		return found;
	}

	#take(step: { readonly state: TrackingState; readonly actions: readonly TrackingAction[] }): readonly string[] {
		this.state = step.state;
		const before = this.told.length;
		for (const action of step.actions) {
			this.actions.push(action);
			if (action.type === "setTimer") this.#dueUs = action.dueUs;
			if (action.type === "cancelTimer") this.#dueUs = undefined;
			if (action.type === "priorityChanged") this.told.push(`${action.instance} ${action.priority}`);
			if (action.type === "faultChanged")
				this.told.push(
					`${action.instance} ${action.reasons.length === 0 ? "able" : action.waiting ? "waits" : "FAULT"}`,
				);
		}
		return this.told.slice(before);
	}
}
