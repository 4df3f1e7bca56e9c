// All virtual routers of a process, with their groups, heartbeats and links. In: a configuration, health, orders. Out: what
// they do on the machine's network, and reports. Single-threaded and without waiting; time and network are given.

import type { HostNetwork, NetworkEvent } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { InstanceConfig, SyncGroupConfig, VipConfig } from "../../vip/vip-config.ts";
import type { Hashes } from "../../vip/vrrp/advert-codec.ts";
import { entryKey } from "../../vip/vrrp/heartbeat-machine.ts";
import { nodeHash } from "../../vip/vrrp/heartbeat-message.ts";
import type { InstanceEvent, InstanceRole, Transition } from "../../vip/vrrp/instance-state.ts";
import { successionLimitUs } from "../../vip/vrrp/instance-timers.ts";
import {
	initialSyncGroupState,
	type SyncGroupEvent,
	type SyncGroupState,
	stepSyncGroup,
} from "../../vip/vrrp/sync-group.ts";
import { addressesOf } from "./address-keeper.ts";
import { HeartbeatLink, heartbeatLinkKey } from "./heartbeat-link.ts";
import { LinkFaults } from "./link-faults.ts";
import { matchRouters } from "./match-routers.ts";
import { VirtualRouter, type VirtualRouterListener } from "./virtual-router.ts";
import { VrrpPorts } from "./vrrp-ports.ts";

export interface VipRuntimeDeps {
	readonly network: HostNetwork;
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly wallMs: () => number;
	readonly hashes: Hashes;
	readonly log: Log;
	/** This machine's name, the same as other nodes know it by. */
	readonly node: string;
	readonly onMove: (move: Move) => void;
	readonly onLowerPriorityHeard?: (config: InstanceConfig, priority: number) => void;
}

/** For notifications. */
export type Move =
	| { readonly kind: "INSTANCE"; readonly config: InstanceConfig; readonly transition: Transition }
	| {
			readonly kind: "GROUP";
			readonly config: SyncGroupConfig;
			readonly transition: Omit<Transition, "priority">;
	  };

/** What the trackers of an instance come to. */
export interface RouterHealth {
	readonly priority: number;
	readonly faults: readonly string[];
}

export type Answer = { readonly ok: true; readonly message: string } | { readonly ok: false; readonly because: string };

interface Group {
	config: SyncGroupConfig;
	state: SyncGroupState;
}

export class VipRuntime implements VirtualRouterListener {
	readonly ports: VrrpPorts;
	readonly startedWallMs: number;
	readonly #deps: VipRuntimeDeps;
	#config: VipConfig;
	readonly #routers = new Map<string, VirtualRouter>();
	/** Ended by a reload, until they have handed over. */
	readonly #leaving = new Set<VirtualRouter>();
	readonly #groups = new Map<string, Group>();
	readonly #heartbeats = new Map<string, HeartbeatLink>();
	readonly #health = new Map<string, RouterHealth>();
	/** By router: the node that it is handed over to. */
	readonly #successors = new Map<string, number>();
	readonly #moves = new Map<string, (answer: Answer) => void>();
	readonly #links: LinkFaults;
	#unwatch: Cancel = () => {};
	#stopping: (() => void) | undefined;

	constructor(config: VipConfig, deps: VipRuntimeDeps) {
		this.#config = config;
		this.#deps = deps;
		this.ports = new VrrpPorts(deps.network);
		this.startedWallMs = deps.wallMs();
		this.#links = new LinkFaults(deps.network, deps.loop, config.global.interfaceDelays, () => this.#networkChanged());
	}

	get config(): VipConfig {
		return this.#config;
	}

	get routers(): ReadonlyMap<string, VirtualRouter> {
		return this.#routers;
	}

	get heartbeats(): ReadonlyMap<string, HeartbeatLink> {
		return this.#heartbeats;
	}

	groupRole(name: string): InstanceRole {
		return this.#groups.get(name)?.state.role ?? "INIT";
	}

	start(): void {
		const { network, log } = this.#deps;
		const { removed, failed } = network.cleanUp();
		if (removed.length > 0) log.warn({ removed }, "what a crashed run had left was removed");
		for (const { message } of failed) log.error({ because: message }, "what a crashed run had left cannot be removed");
		this.#unwatch = network.watch((event) => this.#onNetworkEvent(event));
		this.#setGroups();
		for (const config of this.#config.instances) this.#add(config);
		this.#setHeartbeats();
		for (const router of this.#routers.values()) this.#begin(router);
	}

	/** Priorities and faults from trackers; kept for instances that a reload brings back. */
	setHealth(instance: string, health: RouterHealth): void {
		this.#health.set(instance, health);
		const router = this.#routers.get(instance);
		if (!router) return;
		const nowUs = this.#deps.loop.nowUs();
		if (router.state.priority !== health.priority)
			router.deliver({ type: "priorityChanged", nowUs, priority: health.priority });
		this.#tellFaults(router);
	}

	setGroupFaults(group: string, reasons: readonly string[]): void {
		this.#stepGroup(group, { type: "groupFaultsChanged", nowUs: this.#deps.loop.nowUs(), reasons });
	}

	/** What goes on keeps its role; what is new starts; what is gone hands over. */
	reconfigure(config: VipConfig): void {
		const before = this.#config;
		const changes = matchRouters(before.instances, config.instances);
		this.#config = config;
		this.#links.setDelays(config.global.interfaceDelays);
		for (const { before: old, config: now } of changes.kept) {
			const router = this.#routers.get(old.name);
			if (!router || old.name === now.name) continue;
			this.#routers.delete(old.name);
			this.#routers.set(now.name, router);
		}
		this.#setGroups();
		for (const { before: old, config: now } of changes.kept) {
			const router = this.#routers.get(now.name);
			if (!router || JSON.stringify(old) === JSON.stringify(now)) continue;
			router.reconfigure(now);
			this.#applyHealth(router);
		}
		for (const old of changes.removed) this.#remove(old.name);
		const added = changes.added.map((instance) => this.#add(instance));
		this.#setHeartbeats();
		for (const router of added) this.#begin(router);
		for (const router of this.#routers.values()) this.#tellFaults(router);
	}

	/** A planned hand-over; `onDone` hears what became of it. */
	move(name: string, to: string | undefined, onDone: (answer: Answer) => void): void {
		const router = this.#routers.get(name);
		if (!router) {
			onDone({ ok: false, because: `there is no virtual IP ${name} here` });
			return;
		}
		if (router.state.role !== "MASTER") {
			const owner = router.state.heard ? `; ${router.state.heard.source} is` : "";
			onDone({ ok: false, because: `this node does not own ${name}${owner}: ask the owner` });
			return;
		}
		if (this.#moves.has(name)) {
			onDone({ ok: false, because: `${name} is being handed over already` });
			return;
		}
		const members = this.#membersMovedWith(name);
		const nowUs = this.#deps.loop.nowUs();
		if (to !== undefined) {
			const successor = this.#successorFor(router, to);
			if (typeof successor === "string") {
				onDone({ ok: false, because: successor });
				return;
			}
			for (const member of members) this.#successors.set(member.config.name, successor);
		}
		this.#moves.set(name, onDone);
		for (const member of members) member.deliver({ type: "moveRequested", nowUs, named: to !== undefined });
	}

	/** Hands over what it owns, and calls back when all is gone; bounded by what a successor may take. */
	stop(onStopped: () => void): void {
		if (this.#stopping) return;
		this.#stopping = onStopped;
		const { loop } = this.#deps;
		const routers = [...this.#routers.values(), ...this.#leaving];
		const limits = routers.map(({ config }) => successionLimitUs(config));
		const limitUs = Math.max(0, ...limits) + 100_000;
		const cancel = loop.at(loop.nowUs() + limitUs, () => {
			for (const router of routers) router.deliver({ type: "stopRequested", nowUs: loop.nowUs(), handOver: false });
		});
		this.#stopping = () => {
			cancel();
			onStopped();
		};
		for (const router of routers) router.deliver({ type: "stopRequested", nowUs: loop.nowUs(), handOver: true });
		this.#finishStop();
	}

	moved(router: VirtualRouter, transition: Transition): void {
		const { config } = router;
		const { name } = config;
		const { from, to, because, priority } = transition;
		this.#deps.log.info({ instance: name, from, to, because, priority }, "virtual router moved");
		this.#deps.onMove({ kind: "INSTANCE", config, transition });
		const group = this.#groupOf(name);
		if (group && this.#routers.get(name) === router)
			this.#stepGroup(group.config.name, {
				type: "memberMoved",
				nowUs: this.#deps.loop.nowUs(),
				member: name,
				transition,
			});
	}

	stepped(router: VirtualRouter): void {
		const { config, state } = router;
		const { name } = config;
		if (state.role !== "MASTER" || !state.handOver) {
			this.#successors.delete(name);
			const done = this.#moves.get(name);
			this.#moves.delete(name);
			done?.(
				state.role === "MASTER"
					? { ok: false, because: `nobody took ${name} over in time; this node stays its owner` }
					: { ok: true, message: `${name}: ${state.because}` },
			);
		}
		const link = heartbeatLinkKey(config);
		if (link)
			this.#heartbeats.get(link)?.ownChanged({
				family: config.family,
				virtualRouterId: config.virtualRouterId,
				role: state.role,
				priority: state.priority,
				successor: this.#successors.get(name) ?? 0,
			});
		if (state.role !== "STOP") return;
		if (this.#leaving.delete(router)) router.close();
		this.#finishStop();
	}

	lowerPriorityHeard(router: VirtualRouter): void {
		this.#deps.onLowerPriorityHeard?.(router.config, router.state.priority);
	}

	noted(router: VirtualRouter, because: string, facts: object = {}): void {
		this.#deps.log.warn({ instance: router.config.name, ...facts }, because);
	}

	#finishStop(): void {
		if (!this.#stopping) return;
		const routers = [...this.#routers.values(), ...this.#leaving];
		if (routers.some(({ state }) => state.role !== "STOP")) return;
		const onStopped = this.#stopping;
		this.#stopping = undefined;
		for (const router of routers) router.close();
		for (const link of this.#heartbeats.values()) link.close();
		this.#links.close();
		this.#unwatch();
		const { failed } = this.#deps.network.cleanUp();
		for (const { message } of failed) this.#deps.log.error({ because: message }, "not removed");
		onStopped();
	}

	#add(config: InstanceConfig): VirtualRouter {
		const { network, loop, wallMs, hashes } = this.#deps;
		const router = new VirtualRouter(config, { network, loop, wallMs, hashes, ports: this.ports, listener: this });
		this.#routers.set(config.name, router);
		return router;
	}

	#begin(router: VirtualRouter): void {
		router.openSocket();
		this.#applyHealth(router);
		router.start(this.#config.global.startupDelayMs * 1000);
	}

	#applyHealth(router: VirtualRouter): void {
		const health = this.#health.get(router.config.name);
		const priority = health?.priority ?? router.config.priority;
		router.deliver({ type: "priorityChanged", nowUs: this.#deps.loop.nowUs(), priority });
		this.#tellFaults(router);
	}

	#remove(name: string): void {
		const router = this.#routers.get(name);
		if (!router) return;
		this.#routers.delete(name);
		this.#leaving.add(router);
		router.deliver({ type: "stopRequested", nowUs: this.#deps.loop.nowUs(), handOver: true });
	}

	#tellFaults(router: VirtualRouter): void {
		const { name } = router.config;
		const nowUs = this.#deps.loop.nowUs();
		const reasons = this.#faultsOf(router);
		const group = this.#groupOf(name);
		if (group) {
			this.#stepGroup(group.config.name, { type: "memberFaultsChanged", nowUs, member: name, reasons });
			return;
		}
		if (JSON.stringify(reasons) !== JSON.stringify(router.state.faults))
			router.deliver({ type: "faultChanged", nowUs, reasons });
	}

	#faultsOf(router: VirtualRouter): readonly string[] {
		const { config } = router;
		const reasons: string[] = [];
		const link = config.ignoresOwnInterface ? undefined : this.#links.faultOf(config.interface);
		if (link) reasons.push(link);
		else if (router.socketFault) reasons.push(router.socketFault);
		if (config.faultWithoutPeers && config.transport.type === "unicast" && config.transport.peers.length === 0)
			reasons.push("it has no unicast peer");
		return [...reasons, ...(this.#health.get(config.name)?.faults ?? [])];
	}

	#setGroups(): void {
		const kept = new Set(this.#config.groups.map(({ name }) => name));
		for (const name of this.#groups.keys()) if (!kept.has(name)) this.#groups.delete(name);
		for (const config of this.#config.groups) {
			const known = this.#groups.get(config.name);
			if (known) known.config = config;
			else this.#groups.set(config.name, { config, state: initialSyncGroupState });
		}
	}

	#groupOf(instance: string): Group | undefined {
		for (const group of this.#groups.values()) if (group.config.members.includes(instance)) return group;
		return undefined;
	}

	#membersMovedWith(name: string): readonly VirtualRouter[] {
		const members = this.#groupOf(name)?.config.members ?? [name];
		return members.flatMap((member) => this.#routers.get(member) ?? []);
	}

	#stepGroup(name: string, event: SyncGroupEvent): void {
		const group = this.#groups.get(name);
		if (!group) return;
		const { state, actions } = stepSyncGroup(group.config, group.state, event);
		group.state = state;
		for (const action of actions) {
			if (action.type === "tell") this.#routers.get(action.member)?.deliver(action.event);
			else {
				const { from, to, because } = action.transition;
				this.#deps.log.info({ group: name, from, to, because }, "sync group moved");
				this.#deps.onMove({ kind: "GROUP", config: group.config, transition: action.transition });
			}
		}
	}

	#setHeartbeats(): void {
		const links = new Map<string, InstanceConfig[]>();
		for (const instance of this.#config.instances) {
			const key = heartbeatLinkKey(instance);
			if (key) links.set(key, [...(links.get(key) ?? []), instance]);
		}
		for (const [key, link] of this.#heartbeats)
			if (!links.has(key)) {
				link.close();
				this.#heartbeats.delete(key);
			}
		for (const [key, instances] of links) {
			const known = this.#heartbeats.get(key);
			if (known) known.reconfigure(instances);
			else this.#heartbeats.set(key, this.#openHeartbeat(key, instances));
		}
	}

	#openHeartbeat(link: string, instances: readonly InstanceConfig[]): HeartbeatLink {
		const { network, loop, hashes, node, log } = this.#deps;
		return new HeartbeatLink(instances, {
			network,
			loop,
			hashes,
			node: nodeHash(node),
			incarnation: BigInt(Math.floor(this.startedWallMs)),
			tell: (key, event) => this.#tellByKey(link, key, event),
			noted: (because, facts) => log.info(facts, because),
		});
	}

	#tellByKey(link: string, key: string, event: InstanceEvent): void {
		for (const router of this.#routers.values())
			if (entryKey(router.config) === key && heartbeatLinkKey(router.config) === link) router.deliver(event);
	}

	#successorFor(router: VirtualRouter, to: string): number | string {
		const link = heartbeatLinkKey(router.config);
		const peers = link ? this.#heartbeats.get(link)?.peers : undefined;
		if (!peers) return `${router.config.name} has no fast heartbeat, so nobody can be asked by name; leave --to out`;
		for (const [source, peer] of peers) {
			if (peer.node !== nodeHash(to) && source !== to) continue;
			const entry = peer.entries.get(entryKey(router.config));
			if (entry?.role === "BACKUP") return peer.node;
			return entry
				? `${to} is ${entry.role} for ${router.config.name}, so it cannot take over`
				: `${to} does not run ${router.config.name}`;
		}
		const known = [...peers.keys()].join(", ");
		return `no heartbeat of ${to} is heard on ${router.config.interface}; heard: ${known || "nobody"}`;
	}

	#onNetworkEvent(event: NetworkEvent): void {
		this.#links.handle(event);
		if (event.type === "addressRemoved") this.#onAddressRemoved(event.address.interface, event.address.address);
		if (event.type === "addressAdded" || event.type === "eventsLost" || event.type === "link") this.#retrySockets();
		if (event.type === "eventsLost") for (const router of this.#routers.values()) this.#restore(router);
	}

	#onAddressRemoved(on: string, address: string): void {
		for (const router of this.#routers.values()) {
			const { config } = router;
			const own = addressesOf(config).find((one) => one.address === address && one.interface === on);
			if (own && !own.untracked) this.#restore(router);
			if (router.source === address && config.interface === on && !own) {
				router.closeSocket(`${address}, which adverts are sent from, was removed from ${on}`);
				router.openSocket();
				this.#tellFaults(router);
			}
		}
	}

	#restore(router: VirtualRouter): void {
		if (!router.holdsAddresses) return;
		const missing = addressesOf(router.config).find(
			({ address, interface: on, untracked }) =>
				!untracked && !this.#deps.network.addresses(on).some((one) => one.address === address),
		);
		if (!missing) return;
		this.noted(router, "an address was removed by somebody else and is put back", { address: missing.address });
		router.restoreAddresses();
	}

	#networkChanged(): void {
		this.#retrySockets();
		for (const router of this.#routers.values()) this.#tellFaults(router);
	}

	#retrySockets(): void {
		for (const router of this.#routers.values()) {
			if (router.socketFault === undefined) continue;
			router.openSocket();
			if (router.socketFault === undefined) this.#tellFaults(router);
		}
		for (const [key, link] of this.#heartbeats)
			link.retry(this.#config.instances.filter((instance) => heartbeatLinkKey(instance) === key));
	}
}
