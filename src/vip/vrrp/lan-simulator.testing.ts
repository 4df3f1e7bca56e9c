// Virtual routers on a LAN in memory, with virtual time in microseconds: packets are delayed, lost and overtaken, routers crash,
// stand still, lose links and hand over. It notes who holds the addresses, and for how long there were two or none.

import type { InstanceConfig } from "../vip-config.ts";
import type { ReceivedAdvert } from "./advert.ts";
import { DueQueue } from "./due-queue.testing.ts";
import {
	entryKey,
	type HeartbeatAction,
	type HeartbeatEvent,
	type HeartbeatState,
	initialHeartbeatState,
	stepHeartbeat,
} from "./heartbeat-machine.ts";
import { type HeartbeatMessage, nodeHash } from "./heartbeat-message.ts";
import { initialInstanceState, stepInstance } from "./instance-machine.ts";
import type { InstanceAction, InstanceEvent, InstanceState, TimerName, Transition } from "./instance-state.ts";

export interface LanOptions {
	/** 0 to 1. */
	readonly random: () => number;
	readonly minDelayUs: number;
	readonly maxDelayUs: number;
	/** Of each packet, 0 to 1. */
	loss: number;
}

export class SimulatedRouter {
	readonly index: number;
	readonly name: string;
	/** `nodeHash` of the name. */
	readonly node: number;
	config: InstanceConfig;
	state: InstanceState;
	owns = false;
	alive = false;
	stalledUntilUs = 0;
	readonly waiting: (() => void)[] = [];
	readonly timers = new Map<string, number>();
	readonly transitions: (Transition & { readonly atUs: number })[] = [];
	readonly actions: InstanceAction[] = [];
	readonly counts = new Map<string, number>();
	heartbeat: HeartbeatState | undefined;
	starts = 0;
	/** Adding addresses fails. */
	kernelFails = false;

	constructor(index: number, config: InstanceConfig) {
		this.index = index;
		this.config = config;
		this.state = initialInstanceState(config);
		this.name = `r${index}`;
		this.node = nodeHash(this.name);
	}
}

export class SimulatedLan {
	nowUs = 0;
	/** Of virtual routers; those of heartbeats are not counted. */
	steps = 0;
	readonly options: LanOptions;
	readonly routers: SimulatedRouter[] = [];
	/** The longest time with more than one owner, and with none, since `forget`. */
	longestOverlapUs = 0;
	longestGapUs = 0;
	#ownersSinceUs = 0;
	#owners = 0;
	readonly #queue = new DueQueue();
	readonly #cuts = new Set<string>();
	/** Heartbeats are filtered, adverts are not. */
	noHeartbeats = false;
	/** Why its sync group does not let a router claim. */
	heldBack: (router: SimulatedRouter) => string | undefined = () => undefined;
	/** Sees each step; throws when something is wrong. */
	onStep: (router: SimulatedRouter, event: InstanceEvent) => void = () => {};

	constructor(options: LanOptions) {
		this.options = options;
	}

	add(config: InstanceConfig, startupDelayUs = 0): SimulatedRouter {
		const router = new SimulatedRouter(this.routers.length, config);
		this.routers.push(router);
		this.start(router, startupDelayUs);
		return router;
	}

	start(router: SimulatedRouter, startupDelayUs = 0): void {
		if (router.alive && router.state.role !== "STOP") return;
		router.alive = true;
		router.starts++;
		router.stalledUntilUs = 0;
		router.waiting.length = 0;
		router.state = { ...initialInstanceState(router.config), faults: router.state.faults };
		router.heartbeat = router.config.fastHeartbeat ? initialHeartbeatState : undefined;
		this.#beat(router, { type: "started", nowUs: this.nowUs });
		this.tell(router, { type: "started", nowUs: this.nowUs, startupDelayUs });
	}

	/** As SIGKILL and a link that goes down: nothing is said, the addresses are out of reach. */
	crash(router: SimulatedRouter): void {
		router.alive = false;
		router.timers.clear();
		router.waiting.length = 0;
		router.state = { ...router.state, role: "INIT", down: undefined, handOver: undefined };
		this.#own(router, false);
	}

	/** The process stands still: packets queue, timers are late. */
	stall(router: SimulatedRouter, us: number): void {
		if (!router.alive) return;
		router.stalledUntilUs = Math.max(router.stalledUntilUs, this.nowUs + us);
		this.#queue.add(router.stalledUntilUs, () => this.#resume(router));
	}

	/** No packet from `from` reaches `to`. */
	cut(from: SimulatedRouter, to: SimulatedRouter): void {
		this.#cuts.add(`${from.index}>${to.index}`);
	}

	heal(): void {
		this.#cuts.clear();
	}

	owners(): readonly SimulatedRouter[] {
		return this.routers.filter((router) => router.owns);
	}

	forget(): void {
		this.longestGapUs = 0;
		this.longestOverlapUs = 0;
		this.#ownersSinceUs = this.nowUs;
	}

	advance(us: number): void {
		const untilUs = this.nowUs + us;
		for (let next = this.#queue.takeUntil(untilUs); next; next = this.#queue.takeUntil(untilUs)) {
			this.nowUs = Math.max(this.nowUs, next.atUs);
			next.run();
		}
		this.nowUs = untilUs;
		this.#note();
	}

	tell(router: SimulatedRouter, event: InstanceEvent): void {
		if (!router.alive) return;
		if (router.stalledUntilUs > this.nowUs) {
			router.waiting.push(() => this.tell(router, { ...event, nowUs: this.nowUs }));
			return;
		}
		this.steps++;
		const { state, actions } = stepInstance(router.config, router.state, event);
		router.state = state;
		for (const action of actions) this.#act(router, action);
		this.onStep(router, event);
		this.#sayOwn(router);
	}

	#act(router: SimulatedRouter, action: InstanceAction): void {
		router.actions.push(action);
		if (router.actions.length > 200) router.actions.splice(0, 100);
		switch (action.type) {
			case "sendAdvert":
				this.#broadcast(router, (to) => {
					const advert: ReceivedAdvert = {
						...action.advert,
						sourceIsHigher: router.index > to.index,
						notes: [],
					};
					this.tell(to, { type: "advertReceived", nowUs: this.nowUs, advert, source: router.name });
				});
				return;
			case "addAddresses":
				if (!router.kernelFails) this.#own(router, true);
				else
					this.#queue.add(this.nowUs, () =>
						this.tell(router, {
							type: "actionFailed",
							nowUs: this.nowUs,
							action: "addAddresses",
							because: "refused",
						}),
					);
				return;
			case "removeAddresses":
				this.#own(router, false);
				return;
			case "setTimer":
				this.#arm(router, action.timer, action.dueUs, (dueUs) => {
					const held = action.timer === "down" ? this.heldBack(router) : undefined;
					const event = { type: "timerExpired", nowUs: this.nowUs, timer: action.timer, dueUs } as const;
					this.tell(router, held === undefined ? event : { ...event, held });
				});
				return;
			case "cancelTimer":
				router.timers.delete(action.timer satisfies TimerName);
				return;
			case "report":
				router.transitions.push({ ...action.transition, atUs: this.nowUs });
				return;
			case "count":
				router.counts.set(action.reason, (router.counts.get(action.reason) ?? 0) + 1);
				return;
			case "announce":
			case "note":
			case "lowerPriorityHeard":
				return;
			default:
				action satisfies never;
		}
	}

	#sayOwn(router: SimulatedRouter): void {
		const { family, virtualRouterId } = router.config;
		const { role, priority, handOver } = router.state;
		const successor = handOver && this.successors.get(router.index);
		this.#beat(router, {
			type: "ownChanged",
			nowUs: this.nowUs,
			entry: { family, virtualRouterId, role, priority, successor: successor ?? 0 },
		});
	}

	/** Hand-overs by name: from a router's index to the successor's `nodeHash`. */
	readonly successors = new Map<number, number>();

	#beat(router: SimulatedRouter, event: HeartbeatEvent): void {
		const { fastHeartbeat } = router.config;
		if (!router.heartbeat || !fastHeartbeat || !router.alive) return;
		if (router.stalledUntilUs > this.nowUs) {
			router.waiting.push(() => this.#beat(router, { ...event, nowUs: this.nowUs }));
			return;
		}
		const config = {
			node: router.node,
			incarnation: BigInt(router.starts),
			intervalUs: fastHeartbeat.intervalMs * 1000,
			missed: fastHeartbeat.missed,
		};
		const { state, actions } = stepHeartbeat(config, router.heartbeat, event);
		router.heartbeat = state;
		for (const action of actions) this.#actOnBeat(router, action);
	}

	#actOnBeat(router: SimulatedRouter, action: HeartbeatAction): void {
		switch (action.type) {
			case "send": {
				const message: HeartbeatMessage = action.message;
				if (this.noHeartbeats) return;
				this.#broadcast(router, (to) =>
					this.#beat(to, { type: "messageReceived", nowUs: this.nowUs, source: router.name, message }),
				);
				return;
			}
			case "setTimer":
				this.#arm(router, `heartbeat ${action.timer}`, action.dueUs, (dueUs) =>
					this.#beat(router, { type: "timerExpired", nowUs: this.nowUs, timer: action.timer, dueUs }),
				);
				return;
			case "cancelTimer":
				router.timers.delete(`heartbeat ${action.timer}`);
				return;
			case "tell":
				if (action.key === entryKey(router.config)) this.tell(router, action.event);
				return;
			case "peerChanged":
			case "count":
				return;
			default:
				action satisfies never;
		}
	}

	#arm(router: SimulatedRouter, timer: string, dueUs: number, expired: (dueUs: number) => void): void {
		router.timers.set(timer, dueUs);
		const { starts } = router;
		const fire = (): void => {
			if (!router.alive || router.starts !== starts || router.timers.get(timer) !== dueUs) return;
			if (router.stalledUntilUs > this.nowUs) {
				router.waiting.push(fire);
				return;
			}
			router.timers.delete(timer);
			expired(dueUs);
		};
		this.#queue.add(dueUs, fire);
	}

	/** Queued packets are heard before late timers are told of. */
	#resume(router: SimulatedRouter): void {
		if (router.stalledUntilUs > this.nowUs) return;
		const waiting = router.waiting.splice(0);
		const timers = waiting.filter((run) => run.name === "fire");
		for (const run of waiting) if (run.name !== "fire") run();
		for (const run of timers) run();
	}

	#broadcast(from: SimulatedRouter, deliver: (to: SimulatedRouter) => void): void {
		const { random, loss, minDelayUs, maxDelayUs } = this.options;
		for (const to of this.routers) {
			if (to === from || !to.alive || this.#cuts.has(`${from.index}>${to.index}`)) continue;
			if (loss > 0 && random() < loss) continue;
			const { starts } = to;
			const delayUs = minDelayUs + Math.floor(random() * (maxDelayUs - minDelayUs + 1));
			this.#queue.add(this.nowUs + delayUs, () => {
				if (to.starts === starts) deliver(to);
			});
		}
	}

	#own(router: SimulatedRouter, owns: boolean): void {
		if (router.owns === owns) return;
		this.#note();
		router.owns = owns;
		this.#owners += owns ? 1 : -1;
		this.#ownersSinceUs = this.nowUs;
	}

	#note(): void {
		const us = this.nowUs - this.#ownersSinceUs;
		if (this.#owners > 1) this.longestOverlapUs = Math.max(this.longestOverlapUs, us);
		if (this.#owners === 0) this.longestGapUs = Math.max(this.longestGapUs, us);
	}
}
