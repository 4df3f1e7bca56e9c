// Stands between changed resources and the proxies: lets a few proxies try them first, finds the resource that a refusal is
// about, and takes it back. Runs the machines of the rollout and of the quarantine with a clock.

import type { PodReport } from "../../hotswitch/serving-report.ts";
import type { AnyObject, ObjectKey } from "../../resources/config-object.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type Change, keyOfChange, kindOfChange } from "../../snapshot/change.ts";
import type { ObjectStore } from "../../snapshot/object-store.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import { type TypeUrl, typeUrls } from "../../xds/resource.ts";
import type { RefusedResponse } from "../../xds/wire/config-source.ts";
import { chooseCanaries } from "./choose-canaries.ts";
import type { ProxyEntry } from "./proxy-entry.ts";
import { shortTypeName } from "./proxy-items.ts";
import { defaultWellnessConfig, stepWellness, type Wellness, type WellnessConfig } from "./proxy-wellness.ts";
import {
	defaultQuarantineConfig,
	emptyQuarantine,
	type HeldObject,
	type QuarantineConfig,
	type QuarantineEvent,
	type QuarantineState,
	type Refusal,
	stepQuarantine,
} from "./quarantine-machine.ts";
import type { QuarantineStore } from "./quarantine-store.ts";
import {
	defaultRolloutConfig,
	idleRollout,
	isStaged,
	type RolloutConfig,
	type RolloutEvent,
	type RolloutState,
	stepRollout,
} from "./rollout-machine.ts";
import { traceRefusal } from "./trace-refusal.ts";

/**
 * No Envoy hears of a HotSwitch, so none fails by it. And mutual TLS that was made STRICT must not become plaintext again because
 * a proxy fails.
 */
const neverTakenBack: ReadonlySet<string> = new Set(["HotSwitch", "PeerAuthentication"]);

/** What is tried by a few first. */
export const stagedTypes: readonly TypeUrl[] = [typeUrls.cluster, typeUrls.listener, typeUrls.route];

export interface PushSafetyConfig {
	readonly rollout: RolloutConfig;
	readonly quarantine: QuarantineConfig;
	readonly wellness: WellnessConfig;
	/** For so long after all have it, a change can still be taken back because proxies are not well. */
	readonly watchMs: number;
	/** Of the proxies that have it; two at least. */
	readonly unwellShare: number;
}

export const defaultPushSafetyConfig: PushSafetyConfig = {
	rollout: defaultRolloutConfig,
	quarantine: defaultQuarantineConfig,
	wellness: defaultWellnessConfig,
	watchMs: 10_000,
	unwellShare: 0.1,
};

/** What the servers know of proxies' answers. */
export interface ProxyAnswers {
	/** True when the proxy has confirmed or refused all clusters, listeners and routes that it should have. */
	hasAnswered(proxyId: string): boolean;
	/** True when another proxy has confirmed this version of the resource. */
	isTakenElsewhere(typeUrl: TypeUrl, name: string, version: string): boolean;
}

export interface PushSafetyParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: ControlMetrics;
	readonly answers: ProxyAnswers | undefined;
	/** Default: a restart tries everything again. */
	readonly store: QuarantineStore | undefined;
	readonly proxies: ReadonlyMap<string, ProxyEntry>;
	/** Of the newest snapshot. */
	readonly objects: () => ObjectStore;
	/** These changes are for the newest snapshot, and those who have it get them at once. */
	readonly revise: (changes: readonly Change[]) => void;
	/** A trial of its own. */
	readonly tryAgain: (changes: readonly Change[]) => void;
	readonly widen: (proxyIds: readonly string[], isLast: boolean) => void;
	readonly ended: () => void;
}

export class PushSafety {
	readonly #config: PushSafetyConfig;
	readonly #parts: PushSafetyParts;
	#rollout: RolloutState = idleRollout;
	#quarantine: QuarantineState = emptyQuarantine;
	#wellness: Wellness = new Map();
	#unwell = new Map<string, string>();
	/** The newest snapshot went, or goes, to a few proxies first: only then is there anything to tell chance from fault. */
	#isCompared = false;
	#cancelTimer: Cancel = () => {};
	#cancelWatch: Cancel = () => {};

	constructor(config: PushSafetyConfig, parts: PushSafetyParts) {
		this.#config = config;
		this.#parts = parts;
		if (parts.store) this.#take({ type: "restored", held: parts.store.load() });
	}

	/** Resources that proxies refused, with what is in force instead. */
	get held(): ReadonlyMap<ObjectKey, HeldObject> {
		return this.#quarantine.held;
	}

	/** While some proxies have not got what others try. */
	get isStaged(): boolean {
		return isStaged(this.#rollout);
	}

	get waiting(): number {
		return this.#rollout.waiting.length;
	}

	/** True: the proxy keeps what it has for now. */
	isWaiting(proxyId: string): boolean {
		return this.isStaged && !this.#rollout.trying.has(proxyId);
	}

	/** What of the changes is for the snapshot. `isTrial`: false for what is there at the start. */
	admit(changes: readonly Change[], isTrial: boolean): readonly Change[] {
		const seen = changes.filter((change) => !neverTakenBack.has(kindOfChange(change)));
		const unseen = changes.filter((change) => neverTakenBack.has(kindOfChange(change)));
		if (seen.length === 0) return unseen;
		const inForce = this.#inForce(seen.map(keyOfChange));
		return [...this.#take({ type: "changed", changes: seen, inForce, isTrial }), ...unseen];
	}

	/** Who is to have the newest snapshot from now on; the others wait while `isStaged`. */
	begin(): readonly string[] {
		const proxies = [...this.#parts.proxies.values()].map(({ proxy }) => proxy);
		const minProxies = this.#parts.answers ? this.#config.rollout.minProxies : Infinity;
		const { first, rest } = chooseCanaries(proxies, minProxies);
		this.#unwell.clear();
		this.#isCompared = rest.length > 0;
		this.#step({ type: "begun", first, rest });
		return first;
	}

	/** They were sent what they should have: some need nothing. */
	published(proxyIds: readonly string[]): void {
		const { answers } = this.#parts;
		if (!answers || this.#rollout.phase !== "answering") return;
		for (const proxyId of proxyIds) if (answers.hasAnswered(proxyId)) this.#step({ type: "answered", proxyId });
	}

	left(proxyId: string): void {
		if (this.#rollout.phase !== "idle") this.#step({ type: "left", proxyId });
	}

	/** The proxy confirmed or refused something. */
	answered(proxyId: string): void {
		const { answers } = this.#parts;
		if (!answers) return;
		if (this.#rollout.phase === "answering" && answers.hasAnswered(proxyId)) this.#step({ type: "answered", proxyId });
	}

	/** A node reported of its pods. */
	reported(pods: readonly PodReport[]): void {
		const { wellness, unwell } = stepWellness(this.#config.wellness, this.#wellness, pods);
		this.#wellness = wellness;
		for (const { proxyId, because } of unwell) this.#onUnwell(proxyId, because);
	}

	/** In force whatever proxies say. Returns how many that were. */
	release(keys: readonly ObjectKey[]): number {
		const known = keys.filter((key) => this.held.has(key));
		this.#hold({ type: "released", keys: known });
		return known.length;
	}

	close(): void {
		this.#cancelTimer();
		this.#cancelWatch();
	}

	/** The proxy refused this, just now. */
	refused(proxyId: string, { typeUrl, message, versions, kept }: RefusedResponse): void {
		const { answers, clock, log, proxies } = this.#parts;
		const resources = [...versions].flatMap(([name, version]) => {
			const found = findPublished(proxies.get(proxyId), typeUrl, name);
			// Of what has been replaced since, nothing has to be found out.
			return found?.version === version && !answers?.isTakenElsewhere(typeUrl, name, version) ? [found] : [];
		});
		if (resources.length === 0 || !stagedTypes.includes(typeUrl)) return;
		// What it has an older version of is not worth losing a rule for that did not change of late.
		const lacks = resources.some(({ name }) => !kept.has(name));
		const objects = lacks ? this.#parts.objects() : {};
		const suspects = traceRefusal(message, resources, this.#quarantine.suspects, objects);
		if (suspects.length === 0) return;
		const names = resources.map(({ name }) => name);
		const type = shortTypeName(typeUrl);
		const refusal: Refusal = { proxy: proxyId, type, names, message, atMs: clock.monotonicMs() };
		log.warn({ proxy: proxyId, type, message, resources: suspects }, "refused: the last good version stays in force");
		this.#hold({ type: "refused", suspects, refusal, inForce: this.#inForce(suspects) });
	}

	/** It counts against what was changed last, if the proxy has that from here. */
	#onUnwell(proxyId: string, because: string): void {
		const { suspects, watched } = this.#quarantine;
		const { proxies } = this.#parts;
		if (!this.#isCompared || !proxies.has(proxyId) || this.isWaiting(proxyId)) return;
		if (suspects.size === 0 && watched.size === 0) return;
		this.#unwell.set(proxyId, because);
		// While others wait, one is enough; later one may be chance, and in a large mesh two may be.
		const enough = this.isStaged ? 1 : Math.max(2, Math.ceil(proxies.size * this.#config.unwellShare));
		if (this.#unwell.size < enough) return;
		const message = [...this.#unwell.values()].join("; ");
		this.#unwell.clear();
		const refusal: Refusal = { proxy: proxyId, names: [], message, atMs: this.#parts.clock.monotonicMs() };
		this.#hold({ type: "unwell", refusal });
	}

	#hold(event: QuarantineEvent): void {
		const changes = this.#take(event);
		if (changes.length === 0) return;
		if (this.#rollout.phase === "idle") this.#step({ type: "begun", first: [...this.#parts.proxies.keys()], rest: [] });
		else this.#step({ type: "revised" });
		this.#parts.revise(changes);
	}

	#take(event: QuarantineEvent): readonly Change[] {
		const { state, changes } = stepQuarantine(this.#config.quarantine, this.#quarantine, event);
		const before = this.#quarantine.held;
		this.#quarantine = state;
		this.#parts.metrics.quarantined.set(state.held.size);
		if (event.type !== "restored" && (before.size > 0 || state.held.size > 0) && before !== state.held)
			this.#parts.store?.save(state.held);
		return changes;
	}

	#step(event: RolloutEvent): void {
		const { clock } = this.#parts;
		const { state, actions } = stepRollout(this.#config.rollout, this.#rollout, event);
		this.#rollout = state;
		for (const action of actions) {
			switch (action.type) {
				case "setTimer":
					this.#cancelTimer();
					this.#cancelTimer = clock.after(action.afterMs, () => this.#step({ type: "timerExpired" }));
					break;
				case "widen":
					this.#parts.widen(action.proxyIds, action.isLast);
					break;
				case "agreed":
					this.#onAgreed();
					break;
				case "end":
					this.#parts.ended();
					break;
				default:
					action satisfies never;
			}
		}
	}

	#onAgreed(): void {
		const again = this.#take({ type: "agreed" });
		this.#cancelWatch();
		this.#cancelWatch = this.#parts.clock.after(this.#config.watchMs, () => {
			this.#unwell.clear();
			this.#take({ type: "watchEnded" });
		});
		if (again.length > 0) this.#parts.tryAgain(again);
	}

	#inForce(keys: readonly ObjectKey[]): ReadonlyMap<ObjectKey, AnyObject> {
		const objects = this.#parts.objects();
		return new Map(
			keys.flatMap((key) => {
				const found = objectOf(objects, key);
				return found ? [[key, found] as const] : [];
			}),
		);
	}
}

function objectOf(objects: ObjectStore, key: ObjectKey): AnyObject | undefined {
	const kind = key.slice(0, key.indexOf("/")) as keyof ObjectStore;
	return objects[kind]?.get(key);
}

function findPublished(entry: ProxyEntry | undefined, typeUrl: TypeUrl, name: string) {
	for (const part of entry?.published?.get(typeUrl)?.parts ?? []) {
		const resource = part.resources.get(name);
		if (resource) return resource;
	}
	return undefined;
}
