// The heart of the control plane: changes in, each proxy's configuration out. Nothing here waits or does I/O; the servers
// ask it for configurations and are told whose changed.

import { trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import type { ProxyView } from "../../model/view.ts";
import { keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type Change, keyOfChange, kindOfChange } from "../../snapshot/change.ts";
import type { KeySets } from "../../snapshot/key-sets.ts";
import { applyKeySets, neededKeySets } from "../../snapshot/needed-key-sets.ts";
import type { UnproxiedWorkload } from "../../snapshot/serving-steps.ts";
import {
	applyChanges,
	applyServing,
	emptySnapshot,
	type Snapshot,
	type SnapshotOptions,
} from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import type { ProxyConfig, ResourcePart } from "../../xds/resource.ts";
import { type KeySetFetching, KeyWait } from "./key-wait.ts";
import { ProxyConfigMaker } from "./proxy-config-maker.ts";
import {
	defaultPublishConfig,
	initialPublishState,
	type PublishConfig,
	type PublishEvent,
	type PublishLane,
	stepPublish,
} from "./publish-machine.ts";
import { defaultPushGuardConfig, type HeldPush, type PushGuardConfig } from "./push-guard.ts";
import { defaultPushSafetyConfig, type ProxyAnswers, PushSafety, type PushSafetyConfig } from "./push-safety.ts";

export interface ControlPlaneOptions {
	readonly publish?: PublishConfig;
	readonly guard?: PushGuardConfig;
	readonly safety?: PushSafetyConfig;
	readonly snapshot?: Partial<SnapshotOptions>;
}

export interface ControlPlaneParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: ControlMetrics;
	/** These proxies have a new configuration. */
	readonly onPublished: (proxyIds: readonly string[]) => void;
	/** These changes are in the snapshot from now on. */
	readonly onApplied?: (changes: readonly Change[]) => void;
	/** The snapshot may be another one: before proxies are given what follows from it. */
	readonly onSnapshot?: () => void;
	/** What fetches keys for tokens, and gives them back by `setKeySets`; those known already at once. */
	readonly keySets?: KeySetFetching;
	/** Without it every proxy gets everything at once, and nothing is taken back. */
	readonly answers?: ProxyAnswers;
}

/** Why a proxy does not get its newest configuration. */
export type Withheld =
	| { readonly because: "generation" | "dangling"; readonly message: string }
	| { readonly because: "held"; readonly message: string; readonly held: HeldPush };

export interface ProxyEntry {
	readonly proxy: MeshProxy;
	readonly view: ProxyView | undefined;
	/** What the proxy is given: the last good configuration. */
	readonly published: ProxyConfig | undefined;
	readonly withheld: Withheld | undefined;
}

const maxLastGood = 10_000;

/** Kinds that, when they change, change endpoints in the first place: they pass the debounce. */
const endpointKinds: ReadonlySet<string> = new Set(["EndpointSlice", "Pod", "WorkloadEntry"]);

export class ControlPlane {
	readonly #options: ControlPlaneOptions;
	readonly #parts: ControlPlaneParts;
	readonly #proxies = new Map<string, ProxyEntry>();
	readonly #timers = new Map<PublishLane | "held", Cancel>();
	readonly #confirmed = new Set<string>();
	/** Of proxies that left while their newest configuration was withheld: they get it when they come back. */
	readonly #lastGood = new Map<string, ProxyConfig>();
	/** When each object last changed, as a publication's number. */
	readonly #changedIn = new Map<ObjectKey, number>();
	readonly #maker: ProxyConfigMaker;
	readonly #keyWait: KeyWait;
	/** Who gets what changed, and when; asks for the servers' answers. */
	readonly safety: PushSafety;
	#trustBundle: ResourcePart | undefined;
	#snapshot: Snapshot;
	/** While a few proxies try the newest: what the others have, with endpoints as they are now. */
	#stable: Snapshot | undefined;
	#pending: Change[] = [];
	/** Changes wait for the end of a trial. */
	#isPublishDue = false;
	#publish = initialPublishState;
	#generation = 0;

	constructor(options: ControlPlaneOptions, parts: ControlPlaneParts) {
		this.#options = options;
		this.#parts = parts;
		this.#keyWait = new KeyWait(parts.keySets);
		this.#snapshot = emptySnapshot(options.snapshot);
		this.#maker = new ProxyConfigMaker(options.guard ?? defaultPushGuardConfig, parts);
		this.safety = new PushSafety(options.safety ?? defaultPushSafetyConfig, {
			...parts,
			answers: parts.answers,
			proxies: this.#proxies,
			objects: () => this.#snapshot.objects,
			revise: (changes) => this.#revise(changes),
			tryAgain: (changes) => this.#try(changes),
			widen: (proxyIds, isLast) => this.#widen(proxyIds, isLast),
			ended: () => this.#onTrialEnd(),
		});
	}

	get snapshot(): Snapshot {
		return this.#snapshot;
	}

	/** Counts publications. */
	get generation(): number {
		return this.#generation;
	}

	get proxies(): ReadonlyMap<string, ProxyEntry> {
		return this.#proxies;
	}

	/** The publication that brought the object as it is now. */
	changedIn(key: ObjectKey): number {
		return this.#changedIn.get(key) ?? 0;
	}

	/** True while changes of the object wait for their publication. */
	isPending(key: ObjectKey): boolean {
		return this.#pending.some((change) => keyOfChange(change) === key);
	}

	change(changes: readonly Change[]): void {
		const endpoints = changes.filter((change) => endpointKinds.has(kindOfChange(change)));
		const others = changes.filter((change) => !endpointKinds.has(kindOfChange(change)));
		for (const change of changes) {
			const event = change.type === "objectApplied" ? "update" : "delete";
			this.#parts.metrics.configEvents.add(1, { type: kindOfChange(change), event });
		}
		const nowMs = this.#parts.clock.monotonicMs();
		if (others.length > 0) {
			this.#pending.push(...others);
			// Fetched while the change waits for others, so that its rules have keys when they are published.
			if (others.some((change) => kindOfChange(change) === "RequestAuthentication"))
				this.#parts.keySets?.need(neededKeySets(this.#snapshot, this.#pending));
			this.#step({ type: "changed", lane: "everything", nowMs });
		}
		if (endpoints.length > 0) {
			this.#apply(endpoints);
			if (this.#stable) this.#stable = applyChanges(this.#stable, endpoints).snapshot;
			this.#step({ type: "changed", lane: "endpoints", nowMs });
		}
	}

	/** Publishes what waits, now: at the start, when everything has been read. */
	flush(): void {
		this.#publishNow("everything", false);
	}

	/** The proxy connected, or connected again, perhaps with other labels. */
	connect(proxy: MeshProxy): void {
		const before = this.#proxies.get(proxy.id);
		const known = before && isSameProxy(before.proxy, proxy) ? before.proxy : proxy;
		this.#proxies.set(proxy.id, {
			proxy: known,
			view: undefined,
			published: this.#withTrustBundle(known, before?.published ?? this.#lastGood.get(proxy.id)),
			withheld: before?.withheld,
		});
		this.#lastGood.delete(proxy.id);
		this.#refresh(proxy.id);
		this.#count();
	}

	disconnect(proxyId: string): void {
		const entry = this.#proxies.get(proxyId);
		if (entry?.withheld && entry.published && this.#lastGood.size < maxLastGood) {
			this.#lastGood.set(proxyId, entry.published);
		}
		this.#proxies.delete(proxyId);
		this.#confirmed.delete(proxyId);
		this.safety.left(proxyId);
		this.#count();
	}

	configFor(proxyId: string): ProxyConfig | undefined {
		return this.#proxies.get(proxyId)?.published;
	}

	/** All key sets that were fetched for tokens, the last good one of each address. */
	setKeySets(keySets: KeySets): void {
		const snapshot = applyKeySets(this.#snapshot, keySets);
		if (snapshot === this.#snapshot) return;
		this.#snapshot = snapshot;
		if (this.#stable) this.#stable = applyKeySets(this.#stable, keySets);
		this.#step({ type: "changed", lane: "everything", nowMs: this.#parts.clock.monotonicMs() });
	}

	/** All workloads that no proxy serves, as their nodes say: told to their callers at once, as a change of endpoints. */
	setUnproxied(unproxied: readonly UnproxiedWorkload[]): void {
		const { snapshot, changed } = applyServing(this.#snapshot, unproxied);
		this.#snapshot = snapshot;
		if (changed.endpoints.size === 0) return;
		this.#step({ type: "changed", lane: "endpoints", nowMs: this.#parts.clock.monotonicMs() });
	}

	/** What the mesh trusts from now on; sent at once, also to proxies whose other configuration is withheld. */
	setTrustBundle(part: ResourcePart): void {
		this.#trustBundle = part;
		const changed: string[] = [];
		for (const [proxyId, entry] of this.#proxies) {
			const published = this.#withTrustBundle(entry.proxy, entry.published);
			if (published === entry.published) continue;
			this.#proxies.set(proxyId, { ...entry, published });
			changed.push(proxyId);
		}
		if (changed.length > 0) this.#parts.onPublished(changed);
	}

	/** The operator wants what is held to be sent; all of it, or that of one proxy. Returns how many pushes that were. */
	confirmHeld(proxyId?: string): number {
		const held = [...this.#proxies.values()].filter(
			({ proxy, withheld }) => withheld?.because === "held" && (proxyId === undefined || proxy.id === proxyId),
		);
		for (const { proxy } of held) this.#confirmed.add(proxy.id);
		this.#refreshAndPublish(held.map(({ proxy }) => proxy.id));
		return held.length;
	}

	close(): void {
		this.safety.close();
		for (const cancel of this.#timers.values()) cancel();
		this.#timers.clear();
	}

	#step(event: PublishEvent): void {
		const { state, actions } = stepPublish(this.#options.publish ?? defaultPublishConfig, this.#publish, event);
		this.#publish = state;
		for (const action of actions) {
			switch (action.type) {
				case "publish":
					this.#publishNow(action.lane);
					break;
				case "setTimer": {
					const { lane, afterMs } = action;
					this.#setTimer(lane, afterMs, () => this.#step({ type: "timerExpired", lane }));
					break;
				}
				default:
					action satisfies never;
			}
		}
	}

	#setTimer(name: PublishLane | "held", afterMs: number, run: () => void): void {
		this.#timers.get(name)?.();
		this.#timers.set(name, this.#parts.clock.after(afterMs, run));
	}

	#publishNow(lane: PublishLane, mayWait = true): void {
		if (lane === "everything") {
			if (mayWait && this.#keyWait.holds(() => this.#publishNow("everything"))) return;
			this.#isPublishDue = this.safety.isStaged;
			const changes = this.#isPublishDue ? [] : this.safety.admit(this.#pending.splice(0));
			if (changes.length > 0) return this.#try(changes);
		}
		this.#publishTo([...this.#proxies.keys()], lane);
	}

	#publishTo(proxyIds: readonly string[], lane: PublishLane = "everything"): void {
		this.#parts.onSnapshot?.();
		this.#parts.metrics.pushTriggers.add(1, { type: lane === "endpoints" ? "endpoint" : "config" });
		this.#refreshAndPublish(proxyIds, lane);
		this.safety.published(proxyIds);
	}

	/** Those that the rollout chooses get what follows from the changes; the others keep what they have. */
	#try(changes: readonly Change[]): void {
		const before = this.#snapshot;
		this.#apply(changes);
		const first = this.safety.begin();
		this.#stable = this.safety.isStaged ? before : undefined;
		this.#publishTo(first);
	}

	#revise(changes: readonly Change[]): void {
		this.#apply(changes);
		this.#publishTo([...this.#proxies.keys()]);
	}

	#widen(proxyIds: readonly string[], isLast: boolean): void {
		if (isLast) this.#stable = undefined;
		this.#publishTo(proxyIds);
		if (isLast) this.#onTrialEnd();
	}

	/** Nobody keeps older configuration now: what came meanwhile may follow. */
	#onTrialEnd(): void {
		if (this.#isPublishDue && !this.safety.isStaged) this.#publishNow("everything");
	}

	#apply(changes: readonly Change[]): void {
		if (changes.length === 0) return;
		this.#generation++;
		for (const change of changes) {
			if (change.type === "objectApplied") this.#changedIn.set(keyOf(change.object), this.#generation);
			else this.#changedIn.delete(change.key);
		}
		const before = this.#snapshot.policies;
		this.#snapshot = applyChanges(this.#snapshot, changes).snapshot;
		this.#parts.onApplied?.(changes);
		if (this.#snapshot.policies !== before) this.#parts.keySets?.need(neededKeySets(this.#snapshot));
	}

	#refreshAndPublish(proxyIds: readonly string[], lane: PublishLane = "everything"): void {
		const { clock, log, metrics, onPublished } = this.#parts;
		const startMs = clock.monotonicMs();
		const changed = proxyIds.filter((proxyId) => this.#refresh(proxyId));
		if (changed.length > 0) onPublished(changed);
		const tookMs = clock.monotonicMs() - startMs;
		metrics.pushTime.observe(tookMs / 1000, { type: lane === "endpoints" ? "eds" : "all" });
		this.#count();
		log.info(
			{ generation: this.#generation, lane, proxies: changed.length, tookMs: Math.round(tookMs * 100) / 100 },
			"published",
		);
	}

	/** True when the proxy has another configuration now. */
	#refresh(proxyId: string): boolean {
		const entry = this.#proxies.get(proxyId);
		if (!entry) return false;
		const snapshot = (this.safety.isWaiting(proxyId) && this.#stable) || this.#snapshot;
		const view = viewFor(snapshot, entry.proxy);
		if (view === entry.view && entry.withheld?.because !== "held") return false;
		const made = this.#maker.make(entry, view, snapshot, this.#confirmed.has(proxyId));
		if (!made.ok) {
			this.#withhold(entry, view, made.withheld);
			return false;
		}
		const published = this.#withTrustBundle(entry.proxy, made.config);
		this.#proxies.set(proxyId, { ...entry, view, published, withheld: undefined });
		this.#confirmed.delete(proxyId);
		return true;
	}

	/** Only proxies with a workload certificate have one; the same object when nothing changes. */
	#withTrustBundle(proxy: MeshProxy, config: ProxyConfig | undefined): ProxyConfig | undefined {
		const part = proxy.workloadCertificate ? this.#trustBundle : undefined;
		if (!config || !part || config.get(trustBundleTypeUrl)?.parts[0] === part) return config;
		return new Map([...config, [trustBundleTypeUrl, { typeUrl: trustBundleTypeUrl, parts: [part] }]]);
	}

	#withhold(entry: ProxyEntry, view: ProxyView, withheld: Withheld): void {
		const { holdMs } = this.#options.guard ?? defaultPushGuardConfig;
		if (withheld.because === "held")
			this.#setTimer("held", holdMs, () => this.#refreshAndPublish([...this.#proxies.keys()]));
		this.#proxies.set(entry.proxy.id, { ...entry, view, withheld });
		if (entry.withheld?.message === withheld.message) return;
		const { because, message } = withheld;
		this.#parts.log.warn(
			{ proxy: entry.proxy.id, because, message },
			"configuration withheld, the last good one stays",
		);
	}

	#count(): void {
		const { metrics } = this.#parts;
		metrics.connected.set(this.#proxies.size);
		const entries = [...this.#proxies.values()];
		for (const because of ["generation", "dangling", "held"] as const) {
			metrics.withheld.set(entries.filter((entry) => entry.withheld?.because === because).length, { because });
		}
		metrics.services.set(this.#snapshot.routing.registry.byKey.size);
		metrics.virtualServices.set(this.#snapshot.objects.VirtualService?.size ?? 0);
	}
}

/** The same object for an unchanged proxy keeps what was generated for it. */
function isSameProxy(a: MeshProxy, b: MeshProxy): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}
