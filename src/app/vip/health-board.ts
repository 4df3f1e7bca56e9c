// Health of all instances: results of checks and what peers say go in; priorities and faults come out, by the pure tracking
// machine. Holds its state and its one timer.

import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import { type ExplainOptions, explain, type InstanceExplanation } from "../../vip/tracking/explain.ts";
import type { TrackingConfig } from "../../vip/tracking/tracked-weights.ts";
import { emptyTracking, reloadTracking, stepTracking, trackingConfigOf } from "../../vip/tracking/tracking-machine.ts";
import type { TrackingAction, TrackingEvent, TrackingState } from "../../vip/tracking/tracking-state.ts";
import type { VipConfig } from "../../vip/vip-config.ts";

export interface HealthBoardDeps {
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly onPriority: (instance: string, priority: number) => void;
	readonly onFaults: (instance: string, reasons: readonly string[]) => void;
	readonly noted: (facts: object, because: string) => void;
}

export class HealthBoard {
	readonly #deps: HealthBoardDeps;
	#config: TrackingConfig;
	#state: TrackingState = emptyTracking;
	#cancel: Cancel = () => {};

	constructor(config: VipConfig, deps: HealthBoardDeps) {
		this.#config = trackingConfigOf(config);
		this.#deps = deps;
	}

	get state(): TrackingState {
		return this.#state;
	}

	/** No result yet of a check whose failure would be a fault: keepalived stays in INIT so long. */
	isWaiting(instance: string): boolean {
		const tracking = this.#state.instances.get(instance);
		return tracking !== undefined && tracking.faults.length > 0 && tracking.health.faults.length === 0;
	}

	/** Why it may not own, as far as health is concerned. */
	faultsOf(instance: string): readonly string[] {
		return this.#state.instances.get(instance)?.faults ?? [];
	}

	priorityOf(instance: string): number | undefined {
		return this.#state.instances.get(instance)?.priority;
	}

	deliver(event: TrackingEvent): void {
		const { state, actions } = stepTracking(this.#config, this.#state, event);
		this.#state = state;
		this.#act(actions);
	}

	/** States of trackers that are still there stay. */
	reconfigure(config: VipConfig): void {
		const before = this.#config;
		this.#config = trackingConfigOf(config);
		const { state, actions } = reloadTracking(before, this.#config, this.#state, this.#deps.loop.nowUs());
		this.#state = state;
		this.#act(actions);
	}

	explain(options: Omit<ExplainOptions, "nowUs">): readonly InstanceExplanation[] {
		return explain(this.#config, this.#state, { ...options, nowUs: this.#deps.loop.nowUs() });
	}

	close(): void {
		this.#cancel();
	}

	#act(actions: readonly TrackingAction[]): void {
		for (const action of actions)
			switch (action.type) {
				case "priorityChanged":
					this.#deps.onPriority(action.instance, action.priority);
					break;
				case "faultChanged":
					this.#deps.onFaults(action.instance, action.reasons);
					break;
				case "trackerChanged": {
					const { tracker, status, because } = action;
					this.#deps.noted({ tracker, status, because }, "a tracker changed");
					break;
				}
				case "note":
					this.#deps.noted({ instance: action.instance }, action.because);
					break;
				case "setTimer":
					this.#cancel();
					this.#cancel = this.#deps.loop.at(action.dueUs, (nowUs) => this.deliver({ type: "timerExpired", nowUs }));
					break;
				case "cancelTimer":
					this.#cancel();
					break;
				default:
					action satisfies never;
			}
	}
}
