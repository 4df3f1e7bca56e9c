// The heart of the control plane: changes in, each proxy's configuration out. Nothing here waits or does I/O; the servers
// ask it for configurations and are told whose changed.

import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import type { ProxyView } from "../../model/view.ts";
import { keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Cancel } from "../../runtime/clock.ts";
import { type Change, keyOfChange, kindOfChange } from "../../snapshot/change.ts";
import type { KeySets } from "../../snapshot/key-sets.ts";
import { applyKeySets, neededKeySets } from "../../snapshot/needed-key-sets.ts";
import type { LostWorkloads, UnproxiedWorkload } from "../../snapshot/serving-steps.ts";
import {
	type Applied,
	applyChanges,
	applyLost,
	applyServing,
	emptySnapshot,
	type Snapshot,
} from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import { countChanges } from "../../telemetry/control-metrics.ts";
import type { ProxyConfig, ResourcePart } from "../../xds/resource.ts";
import type { ControlPlaneOptions, ControlPlaneParts } from "./control-plane-parts.ts";
import { concernsEndpoints, EndpointHold } from "./endpoint-hold.ts";
import { KeyWait } from "./key-wait.ts";
import { ProxyConfigMaker } from "./proxy-config-maker.ts";
import { countProxies, isSameProxy, type ProxyEntry, type Withheld, withTrustBundle } from "./proxy-entry.ts";
import {
	defaultPublishConfig,
	initialPublishState,
	type PublishEvent,
	type PublishLane,
	stepPublish,
} from "./publish-machine.ts";
import { defaultPushGuardConfig } from "./push-guard.ts";
import { defaultPushSafetyConfig, PushSafety } from "./push-safety.ts";
import { SnapshotPair } from "./snapshot-pair.ts";

const maxLastGood = 10_000;

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
	readonly #endpointHold: EndpointHold;
	/** Who gets what changed, and when; asks for the servers' answers. */
	readonly safety: PushSafety;
	#trustBundle: ResourcePart | undefined;
	readonly #snapshots: SnapshotPair;
	#pending: Change[] = [];
	/** Changes wait for the end of a trial. */
	#isPublishDue = false;
	#publish = initialPublishState;
	#generation = 0;

	constructor(options: ControlPlaneOptions, parts: ControlPlaneParts) {
		this.#options = options;
		this.#parts = parts;
		this.#keyWait = new KeyWait(parts.keySets);
		this.#snapshots = new SnapshotPair(emptySnapshot(options.snapshot));
		this.#maker = new ProxyConfigMaker(options.guard ?? defaultPushGuardConfig, parts);
		this.#endpointHold = new EndpointHold({
			...parts,
			objects: () => this.snapshot.objects,
			onReleased: (changes) => this.#changeEndpoints(changes),
		});
		this.safety = new PushSafety(options.safety ?? defaultPushSafetyConfig, {
			...parts,
			answers: parts.answers,
			store: parts.quarantine,
			proxies: this.#proxies,
			objects: () => this.snapshot.objects,
			revise: (changes) => this.#revise(changes),
			tryAgain: (changes) => this.#try(changes),
			widen: (proxyIds, isLast) => this.#widen(proxyIds, isLast),
			ended: () => this.#onTrialEnd(),
		});
	}

	/** The newest, though some proxies may have the one before. */
	get snapshot(): Snapshot {
		return this.#snapshots.newest;
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
		const endpoints = changes.filter(concernsEndpoints);
		const others = changes.filter((change) => !concernsEndpoints(change));
		countChanges(this.#parts.metrics, changes);
		if (others.length > 0) {
			this.#pending.push(...others);
			// Fetched while the change waits for others, so that its rules have keys when they are published.
			if (others.some((change) => kindOfChange(change) === "RequestAuthentication"))
				this.#parts.keySets?.need(neededKeySets(this.snapshot, this.#pending));
			this.#step({ type: "changed", lane: "everything", nowMs: this.#parts.clock.monotonicMs() });
		}
		// They pass the debounce.
		if (endpoints.length > 0) {
			this.#parts.onApplied?.(endpoints);
			this.#changeEndpoints(this.#endpointHold.admit(endpoints));
		}
	}

	#changeEndpoints(changes: readonly Change[]): void {
		if (changes.length === 0) return;
		this.#apply(changes, true);
		this.#step({ type: "changed", lane: "endpoints", nowMs: this.#parts.clock.monotonicMs() });
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
			published: withTrustBundle(this.#trustBundle, known, before?.published ?? this.#lastGood.get(proxy.id)),
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
		if (!this.#snapshots.updateBoth((snapshot) => applyKeySets(snapshot, keySets))) return;
		this.#step({ type: "changed", lane: "everything", nowMs: this.#parts.clock.monotonicMs() });
	}

	/** All workloads that no proxy serves, as their nodes say: told to their callers at once, as a change of endpoints. */
	setUnproxied(unproxied: readonly UnproxiedWorkload[]): void {
		this.#changeReachability((snapshot) => applyServing(snapshot, unproxied));
	}

	/** All workloads that went with their machine: told as fast. */
	setLost(lost: LostWorkloads): void {
		this.#changeReachability((snapshot) => applyLost(snapshot, lost));
	}

	#changeReachability(update: (snapshot: Snapshot) => Applied): void {
		const before = this.snapshot.endpoints;
		this.#snapshots.updateBoth((snapshot) => update(snapshot).snapshot);
		if (this.snapshot.endpoints === before) return;
		this.#step({ type: "changed", lane: "endpoints", nowMs: this.#parts.clock.monotonicMs() });
	}

	/** What the mesh trusts from now on; sent at once, also to proxies whose other configuration is withheld. */
	setTrustBundle(part: ResourcePart): void {
		this.#trustBundle = part;
		const changed: string[] = [];
		for (const [proxyId, entry] of this.#proxies) {
			const published = withTrustBundle(this.#trustBundle, entry.proxy, entry.published);
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
		return held.length + (proxyId === undefined ? this.#endpointHold.confirm() : 0);
	}

	/** Pods, slices and workload entries that are gone at the source, and stay for now because most went at once. */
	get heldRemovals(): number {
		return this.#endpointHold.size;
	}

	close(): void {
		this.#endpointHold.close();
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
			this.#isPublishDue = this.safety.isStaged && mayWait;
			if (this.#isPublishDue) return;
			const arrived = this.#pending.splice(0);
			this.#parts.onApplied?.(arrived);
			const changes = this.safety.admit(arrived, mayWait);
			if (mayWait && changes.length > 0) {
				this.#try(changes);
				return;
			}
			this.#apply(changes);
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
		const first = this.safety.begin();
		if (this.safety.isStaged) this.#snapshots.holdBack();
		else this.#snapshots.join();
		this.#apply(changes);
		this.#publishTo(first);
	}

	#revise(changes: readonly Change[]): void {
		this.#apply(changes);
		this.#publishTo([...this.#proxies.keys()]);
	}

	#widen(proxyIds: readonly string[], isLast: boolean): void {
		if (isLast) this.#snapshots.join();
		this.#publishTo(isLast ? [...this.#proxies.keys()] : proxyIds);
		if (isLast) this.#onTrialEnd();
	}

	/** Nobody keeps older configuration now: what came meanwhile may follow. */
	#onTrialEnd(): void {
		if (this.#isPublishDue && !this.safety.isStaged) this.#publishNow("everything");
	}

	/** `toBoth`: also to what proxies have that wait for others to try what is new. */
	#apply(changes: readonly Change[], toBoth = false): void {
		if (changes.length === 0) return;
		this.#generation++;
		for (const change of changes) {
			if (change.type === "objectApplied") this.#changedIn.set(keyOf(change.object), this.#generation);
			else this.#changedIn.delete(change.key);
		}
		const before = this.snapshot.policies;
		if (toBoth) this.#snapshots.updateBoth((snapshot) => applyChanges(snapshot, changes).snapshot);
		else this.#snapshots.newest = applyChanges(this.snapshot, changes).snapshot;
		if (this.snapshot.policies !== before) this.#parts.keySets?.need(neededKeySets(this.snapshot));
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
		const snapshot = this.#snapshots.of(this.safety.isWaiting(proxyId));
		const view = viewFor(snapshot, entry.proxy);
		if (view === entry.view && entry.withheld?.because !== "held") return false;
		const made = this.#maker.make(entry, view, snapshot, this.#confirmed.has(proxyId));
		if (!made.ok) {
			this.#withhold(entry, view, made.withheld);
			return false;
		}
		const published = withTrustBundle(this.#trustBundle, entry.proxy, made.config);
		this.#proxies.set(proxyId, { ...entry, view, published, withheld: undefined });
		this.#confirmed.delete(proxyId);
		return true;
	}

	#withhold(entry: ProxyEntry, view: ProxyView, withheld: Withheld): void {
		const { holdMs } = this.#options.guard ?? defaultPushGuardConfig;
		if (withheld.because === "held")
			this.#setTimer("held", holdMs, () => this.#refreshAndPublish([...this.#proxies.keys()]));
		this.#proxies.set(entry.proxy.id, { ...entry, view, withheld });
		if (entry.withheld?.message === withheld.message) return;
		const told = { proxy: entry.proxy.id, because: withheld.because, message: withheld.message };
		this.#parts.log.warn(told, "configuration withheld, the last good one stays");
	}

	#count(): void {
		const { metrics } = this.#parts;
		countProxies(metrics, this.#proxies.values());
		metrics.services.set(this.snapshot.routing.registry.byKey.size);
		metrics.virtualServices.set(this.snapshot.objects.VirtualService?.size ?? 0);
	}
}
