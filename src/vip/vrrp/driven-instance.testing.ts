// A virtual router that is driven by hand, and what it did, in short words.

import type { InstanceConfig } from "../vip-config.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { initialInstanceState, stepInstance } from "./instance-machine.ts";
import type { InstanceAction, InstanceEvent, InstanceRole, InstanceState } from "./instance-state.ts";

const ms = 1000;

/** Started; a master where that is asked for. */
export class Driven {
	readonly config: InstanceConfig;
	state: InstanceState;
	actions: InstanceAction[] = [];

	constructor(changed: Partial<InstanceConfig> = {}, role: InstanceRole = "BACKUP") {
		this.config = instanceForTest(changed);
		this.state = initialInstanceState(this.config);
		this.step({ type: "started", nowUs: 0 });
		if (role === "MASTER" && this.state.role === "BACKUP") this.expire("down");
		this.actions = [];
	}

	step(event: InstanceEvent): string {
		const { state, actions } = stepInstance(this.config, this.state, event);
		this.state = state;
		this.actions.push(...actions);
		return actions.map(inShort).filter(Boolean).join(" ");
	}

	hear(
		atMs: number,
		priority: number,
		changed: { higher?: boolean; source?: string; intervalMs?: number } = {},
	): string {
		const advert = {
			priority,
			intervalMs: changed.intervalMs ?? this.config.advertIntervalMs,
			sourceIsHigher: changed.higher ?? false,
			notes: [],
		};
		return this.step({ type: "advertReceived", nowUs: atMs * ms, advert, source: changed.source ?? "10.0.0.2" });
	}

	expire(timer: "down" | "advert" | "handOver" | "retry" | "announceAgain" | "announceRefresh", lateMs = 0): string {
		const dues = {
			down: this.state.down?.dueUs,
			advert: this.state.advertDueUs,
			handOver: this.state.handOver?.untilUs,
		};
		const last = this.actions.findLast((action) => action.type === "setTimer" && action.timer === timer);
		const armed = last?.type === "setTimer" ? last.dueUs : 0;
		const dueUs = (timer in dues ? dues[timer as keyof typeof dues] : undefined) ?? armed;
		return this.step({ type: "timerExpired", nowUs: dueUs + lateMs * ms, timer, dueUs });
	}

	counted(reason: string): number {
		return this.actions.filter((action) => action.type === "count" && action.reason === reason).length;
	}
}

/** Actions as words; counts and cancelled timers are left out. */
export function inShort(action: InstanceAction): string {
	switch (action.type) {
		case "sendAdvert":
			return `say:${action.advert.priority}`;
		case "addAddresses":
			return "add";
		case "removeAddresses":
			return "remove";
		case "announce":
			return `announce:${action.copies}`;
		case "setTimer":
			return `${action.timer}@${action.dueUs / ms}`;
		case "report":
			return `${action.transition.from}>${action.transition.to}`;
		case "lowerPriorityHeard":
			return "lower";
		case "note":
			return "note";
		case "cancelTimer":
		case "count":
			return "";
		default:
			return action satisfies never;
	}
}
