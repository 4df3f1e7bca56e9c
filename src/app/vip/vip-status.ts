// What a vip process says of itself, as JSON: for the status command, for metrics, for a dashboard. Ages are milliseconds.

import { untilChange } from "../../health/rise-fall.ts";
import type { InstanceConfig, TrackerConfig, VirtualAddress } from "../../vip/vip-config.ts";
import { entryKey } from "../../vip/vrrp/heartbeat-machine.ts";
import { downIntervalUs } from "../../vip/vrrp/instance-timers.ts";
import type { LeaseStatus } from "./lease-status.ts";
import type { PastTransition } from "./past-transitions.ts";
import type { VipRuntime } from "./vip-runtime.ts";
import type { VirtualRouter } from "./virtual-router.ts";

export interface VipStatus {
	readonly node: string;
	readonly startedAt: string;
	/** Of the last reload that was refused, since the last one that was taken. */
	readonly configProblem?: string;
	/** Of the cluster that says what to hold, while it cannot be asked: what it said last is held. */
	readonly clusterStale?: { readonly since: string; readonly because: string };
	/** What the files in force say and is not done, with the reason. */
	readonly leftOut?: readonly string[];
	readonly instances: readonly InstanceStatus[];
	readonly groups: readonly { readonly name: string; readonly state: string; readonly members: readonly string[] }[];
	readonly trackers: readonly TrackerStatus[];
	/** VRRP packets that are nobody's here, by interface. */
	readonly strangers: readonly StrangersStatus[];
	readonly heartbeats: readonly HeartbeatStatus[];
}

export interface InstanceStatus {
	readonly name: string;
	readonly interface: string;
	readonly family: "ipv4" | "ipv6";
	readonly version: 2 | 3;
	readonly virtualRouterId: number;
	readonly addresses: readonly string[];
	readonly excludedAddresses: readonly string[];
	/** INIT, BACKUP, MASTER, FAULT, STOP. */
	readonly state: string;
	readonly priority: number;
	readonly basePriority: number;
	/** The node that owns the addresses: this one's name, an address, or null when none is heard. */
	readonly owner: string | null;
	readonly because: string;
	readonly faults: readonly string[];
	readonly handingOver: boolean;
	/** Where one is configured. */
	readonly lease?: LeaseStatus;
	/** Those that send adverts. */
	readonly peers: readonly PeerStatus[];
	/** Keepmesh nodes that are alive, with what they say of this instance. */
	readonly nodes: readonly NodeStatus[];
	readonly dropped: readonly DroppedStatus[];
	/** The newest last. */
	readonly transitions: readonly TransitionStatus[];
	readonly counters: Readonly<Record<string, number>>;
}

export interface PeerStatus {
	readonly address: string;
	readonly priority: number;
	readonly ageMs: number;
	readonly intervalMs: number;
	readonly adverts: number;
	/** Its adverts carry other addresses: perhaps another router uses this VRID. */
	readonly otherAddresses: boolean;
}

export interface NodeStatus {
	readonly address: string;
	readonly state: string;
	readonly priority: number;
	readonly ageMs: number;
}

export interface DroppedStatus {
	readonly address: string;
	readonly reason: string;
	readonly meaning: string;
	readonly packets: number;
	readonly ageMs: number;
}

export interface TransitionStatus {
	readonly at: string;
	readonly from: string;
	readonly to: string;
	readonly because: string;
	readonly priority: number;
}

export interface TrackerStatus {
	readonly name: string;
	readonly kind: string;
	readonly status: "up" | "down" | "unknown";
	readonly because: string;
	readonly value?: number;
	readonly untilChange: string;
	readonly ageMs: number;
}

export interface StrangersStatus {
	readonly interface: string;
	readonly family: string;
	readonly counters: Readonly<Record<string, number>>;
	/** VRIDs that others use on this link, with the last sender. */
	readonly otherRouters: readonly { readonly virtualRouterId: number; readonly source: string }[];
}

export interface HeartbeatStatus {
	readonly link: string;
	readonly peers: number;
	readonly fault?: string;
	readonly counters: Readonly<Record<string, number>>;
}

export interface ConfigState {
	readonly problem?: string | undefined;
	readonly leftOut: readonly string[];
	readonly clusterStale?: { readonly since: string; readonly because: string } | undefined;
}

export function vipStatus(
	runtime: VipRuntime,
	node: string,
	nowUs: number,
	{ problem, leftOut, clusterStale }: ConfigState = { leftOut: [] },
): VipStatus {
	return {
		node,
		startedAt: new Date(runtime.startedWallMs).toISOString(),
		...(problem === undefined ? {} : { configProblem: problem }),
		...(leftOut.length === 0 ? {} : { leftOut }),
		...(clusterStale ? { clusterStale } : {}),
		instances: [...runtime.routers.values()].map((router) => instanceStatus(runtime, router, node, nowUs)),
		groups: runtime.config.groups.map(({ name, members }) => ({ name, state: runtime.groups.roleOf(name), members })),
		trackers: runtime.config.trackers.map((tracker) => trackerStatus(runtime, tracker, nowUs)),
		strangers: runtime.ports.drops.map(({ interface: on, family, counts, otherRouters }) => ({
			interface: on,
			family,
			counters: Object.fromEntries(counts),
			otherRouters: [...otherRouters].map(([virtualRouterId, source]) => ({ virtualRouterId, source })),
		})),
		heartbeats: [...runtime.heartbeats.links].map(([link, { peers, fault, counts }]) => ({
			link,
			peers: peers.size,
			...(fault === undefined ? {} : { fault }),
			counters: Object.fromEntries(counts),
		})),
	};
}

function instanceStatus(runtime: VipRuntime, router: VirtualRouter, node: string, nowUs: number): InstanceStatus {
	const { config, state, others, counts, transitions } = router;
	const nodes = nodesOf(runtime, config, nowUs);
	return {
		name: config.name,
		interface: config.interface,
		family: config.family,
		version: config.version,
		virtualRouterId: config.virtualRouterId,
		addresses: config.addresses.map(addressText),
		excludedAddresses: config.excludedAddresses.map(addressText),
		state: state.role,
		priority: state.priority,
		basePriority: config.priority,
		owner: state.role === "MASTER" ? node : ownerHeard(router, nodes, nowUs),
		because: state.because,
		faults: state.faults,
		handingOver: state.handOver !== undefined,
		...(router.lease ? { lease: router.lease } : {}),
		peers: others.heard.map(({ source, priority, intervalMs, atUs, adverts, otherAddresses }) => ({
			address: source,
			priority,
			ageMs: ageMs(nowUs, atUs),
			intervalMs,
			adverts,
			otherAddresses,
		})),
		nodes,
		dropped: others.dropped.map(({ source, because, meaning, packets, atUs }) => ({
			address: source,
			reason: because,
			meaning,
			packets,
			ageMs: ageMs(nowUs, atUs),
		})),
		transitions: transitions.map(transitionStatus),
		counters: Object.fromEntries(counts),
	};
}

function ownerHeard({ config, state }: VirtualRouter, nodes: readonly NodeStatus[], nowUs: number): string | null {
	const master = nodes.find((one) => one.state === "MASTER");
	if (master) return master.address;
	const { heard } = state;
	if (!heard) return null;
	const silentUs = downIntervalUs(config, state.priority, state.masterIntervalUs);
	return nowUs - heard.atUs <= silentUs ? heard.source : null;
}

function nodesOf(runtime: VipRuntime, config: InstanceConfig, nowUs: number): readonly NodeStatus[] {
	const peers = runtime.heartbeats.peersOf(config);
	return [...(peers ?? [])].flatMap(([address, peer]) => {
		const entry = peer.entries.get(entryKey(config));
		if (!entry) return [];
		return [{ address, state: entry.role, priority: entry.priority, ageMs: ageMs(nowUs, peer.heardUs) }];
	});
}

function trackerStatus(runtime: VipRuntime, tracker: TrackerConfig, nowUs: number): TrackerStatus {
	const { name, check } = tracker;
	const state = runtime.health.state.trackers.get(name);
	if (!state) return { name, kind: check.type, status: "unknown", because: "not started", untilChange: "", ageMs: 0 };
	return {
		name,
		kind: check.type,
		status: state.health.status,
		because: state.because,
		...(state.value === undefined ? {} : { value: state.value }),
		untilChange: check.type === "file" ? "" : untilChange(tracker, state.health),
		ageMs: ageMs(nowUs, state.sinceUs),
	};
}

function transitionStatus({ atWallMs, from, to, because, priority }: PastTransition): TransitionStatus {
	return { at: new Date(atWallMs).toISOString(), from, to, because, priority };
}

function addressText({ address, prefixLength }: VirtualAddress): string {
	return `${address}/${prefixLength}`;
}

function ageMs(nowUs: number, atUs: number): number {
	return Math.max(0, Math.round((nowUs - atUs) / 1000));
}
