// All virtual routers of a process, with their groups, heartbeats, links and health. In: a configuration, results of checks,
// orders. Out: what they do on the machine's network, and reports. Nothing waits; time and network are given.

import type { HostNetwork } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { TrackerResult } from "../../vip/tracking/tracker-state.ts";
import type { InstanceConfig, VipConfig } from "../../vip/vip-config.ts";
import type { ReceivedAdvert } from "../../vip/vrrp/advert.ts";
import type { Hashes } from "../../vip/vrrp/advert-codec.ts";
import { entryKey } from "../../vip/vrrp/heartbeat-machine.ts";
import { nodeHash } from "../../vip/vrrp/heartbeat-message.ts";
import { leavesTo } from "../../vip/vrrp/instance-hearing.ts";
import type { InstanceEvent, Transition } from "../../vip/vrrp/instance-state.ts";
import type { KeptAddress } from "./address-keeper.ts";
import { ConflictWatches } from "./conflict-watches.ts";
import { NetworkFollower } from "./follow-network.ts";
import { HealthBoard } from "./health-board.ts";
import { heartbeatLinkKey } from "./heartbeat-link.ts";
import { HeartbeatLinks } from "./heartbeat-links.ts";
import type { LeaseAdvisers } from "./lease-advisers.ts";
import { LinkFaults } from "./link-faults.ts";
import { matchRouters } from "./match-routers.ts";
import type { Move } from "./move.ts";
import { OpenConnections } from "./open-connections.ts";
import type { OwnersMemory } from "./owners-file.ts";
import { type Answer, PlannedMoves } from "./planned-moves.ts";
import { removeLeftOvers } from "./remove-left-overs.ts";
import { stopRouters } from "./stop-routers.ts";
import { SyncGroups } from "./sync-groups.ts";
import { VirtualRouter } from "./virtual-router.ts";
import type { VirtualRouterListener } from "./virtual-router-listener.ts";
import { VrrpPorts } from "./vrrp-ports.ts";

export interface VipRuntimeDeps {
	readonly network: HostNetwork;
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly wallMs: () => number;
	readonly hashes: Hashes;
	readonly log: Log;
	/** This machine's name, the same as other nodes know it by. */
	readonly node: string;
	readonly leases?: LeaseAdvisers;
	/** Of who owned what; absent: a new process begins without. */
	readonly owners?: OwnersMemory;
	readonly onMove: (move: Move) => void;
	readonly onPriority?: (config: InstanceConfig, priority: number, role: Transition["to"]) => void;
	readonly onLowerPriorityHeard?: (config: InstanceConfig, priority: number) => void;
}

export class VipRuntime implements VirtualRouterListener {
	readonly ports: VrrpPorts;
	readonly heartbeats: HeartbeatLinks;
	readonly groups: SyncGroups;
	readonly health: HealthBoard;
	readonly moves = new PlannedMoves();
	readonly startedWallMs: number;
	readonly #deps: VipRuntimeDeps;
	#config: VipConfig;
	readonly #routers = new Map<string, VirtualRouter>();
	/** Ended by a reload, until they have handed over. */
	readonly #leaving = new Set<VirtualRouter>();
	readonly #links: LinkFaults;
	readonly #network: NetworkFollower;
	readonly #conflicts: ConflictWatches;
	readonly #open: OpenConnections;
	/** Not started: they wait for first results of their checks. */
	readonly #waiting = new Set<VirtualRouter>();
	readonly #priorities = new Map<VirtualRouter, number>();
	#unwatch: Cancel = () => {};
	#onStepped: () => void = () => {};

	constructor(config: VipConfig, deps: VipRuntimeDeps) {
		const { network, loop, wallMs, log } = deps;
		this.#config = config;
		this.#deps = deps;
		this.startedWallMs = wallMs();
		this.ports = new VrrpPorts(network);
		this.#links = new LinkFaults(network, loop, config.global.interfaceDelays, () => this.#network.linkChanged());
		this.#network = new NetworkFollower({
			network,
			links: this.#links,
			routers: () => this.#routers.values(),
			retryHeartbeats: () => this.heartbeats.retry(),
			faultsChanged: (router) => this.#tellFaults(router),
			noted: (router, because, facts) => this.noted(router, because, facts),
		});
		this.#conflicts = new ConflictWatches(network, (on, because) =>
			log.warn({ interface: on, because }, "foreign holders of addresses will not be noticed"),
		);
		this.#open = new OpenConnections({
			network,
			loop,
			log,
			isAlive: ({ config: of }, source) => this.heartbeats.peersOf(of)?.has(source) ?? false,
			...(deps.owners && { memory: deps.owners }),
		});
		this.groups = new SyncGroups({
			tell: (member, event) => this.#routers.get(member)?.deliver(event),
			moved: (group, transition) => {
				const { from, to, because } = transition;
				log.info({ group: group.name, from, to, because }, "sync group moved");
				deps.onMove({ kind: "GROUP", config: group, transition });
			},
		});
		this.health = new HealthBoard(config, {
			loop,
			onPriority: (instance, priority) =>
				this.#routers.get(instance)?.deliver({ type: "priorityChanged", nowUs: loop.nowUs(), priority }),
			onFaults: (instance) => this.#healthChanged(this.#routers.get(instance)),
			noted: (facts, because) => log.info(facts, because),
		});
		this.heartbeats = new HeartbeatLinks((link) => ({
			network,
			loop,
			hashes: deps.hashes,
			node: nodeHash(deps.node),
			incarnation: BigInt(Math.floor(this.startedWallMs)),
			tell: (key, event) => this.#tellByKey(link, key, event),
			peerGone: (peer) => this.#peerGone(link, peer),
			noted: (because, facts) => log.info(facts, because),
		}));
	}

	get config(): VipConfig {
		return this.#config;
	}

	get routers(): ReadonlyMap<string, VirtualRouter> {
		return this.#routers;
	}

	start(): void {
		const { network, loop } = this.#deps;
		const owned = removeLeftOvers(network, this.#config.instances, this.#deps.log);
		this.#unwatch = network.watch((event) => this.#network.handle(event));
		this.groups.configure(this.#config.groups);
		for (const config of this.#config.instances) this.#add(config);
		this.heartbeats.configure(this.#config.instances);
		this.health.deliver({ type: "started", nowUs: loop.nowUs(), owned });
		for (const router of this.#routers.values()) this.#begin(router);
	}

	/** What would be left if this process were killed now. */
	get addedAddresses(): readonly KeptAddress[] {
		return [...this.#routers.values(), ...this.#leaving].flatMap((router) => router.addedAddresses);
	}

	trackerResult(tracker: string, result: TrackerResult): void {
		this.health.deliver({ type: "trackerResult", nowUs: this.#deps.loop.nowUs(), tracker, ...result });
	}

	/** What goes on keeps its role; what is new starts; what is gone hands over. */
	reconfigure(config: VipConfig): void {
		const changes = matchRouters(this.#config.instances, config.instances);
		this.#config = config;
		this.#links.setDelays(config.global.interfaceDelays);
		const kept = changes.kept.flatMap(({ before, config: now }) => {
			const router = this.#routers.get(before.name);
			this.#routers.delete(before.name);
			return router ? [{ router, now }] : [];
		});
		for (const old of changes.removed) this.#remove(old.name);
		for (const { router, now } of kept) this.#routers.set(now.name, router);
		this.groups.configure(config.groups);
		for (const { router, now } of kept)
			if (JSON.stringify(router.config) !== JSON.stringify(now)) router.reconfigure(now);
		const added = changes.added.map((instance) => this.#add(instance));
		this.health.reconfigure(config);
		this.heartbeats.configure(config.instances);
		this.#open.reconfigured(new Set(this.#routers.values()));
		for (const router of added) this.#begin(router);
		for (const { router } of kept) this.#tellHealth(router);
	}

	/** A planned hand-over; `onDone` hears what became of it. */
	move(name: string, to: string | undefined, onDone: (answer: Answer) => void): void {
		const router = this.#routers.get(name);
		if (!router) {
			const known = [...this.#routers.keys()].join(", ");
			onDone({ ok: false, because: `there is no virtual IP ${name} here; there are: ${known}` });
			return;
		}
		const members = this.groups.membersWith(router.config).flatMap((member) => this.#routers.get(member) ?? []);
		const successor = to === undefined ? undefined : this.heartbeats.successorFor(router.config, to);
		this.moves.start(router, members, successor, this.#deps.loop.nowUs(), onDone);
	}

	/** Hands over what it owns, and calls back when all is gone; bounded by what a successor may take. */
	stop(onStopped: () => void): void {
		const { network, loop, log } = this.#deps;
		this.health.close();
		const routers = [...this.#routers.values(), ...this.#leaving];
		this.#onStepped = stopRouters(routers, loop, () => {
			this.#onStepped = () => {};
			for (const router of routers) router.close();
			this.heartbeats.close();
			this.#open.close();
			this.#links.close();
			this.#unwatch();
			for (const { message } of network.cleanUp().failed) log.error({ because: message }, "not removed");
			onStopped();
		});
		this.#onStepped();
	}

	moved(router: VirtualRouter, transition: Transition): void {
		const { config } = router;
		const { name } = config;
		const { from, to, because, priority } = transition;
		const { log, loop, onMove } = this.#deps;
		const nowUs = loop.nowUs();
		log.info({ instance: name, from, to, because, priority }, "virtual router moved");
		this.#open.moved(router, transition);
		onMove({ kind: "INSTANCE", config, transition, deleted: this.#leaving.has(router) });
		if (this.#routers.get(name) !== router) return;
		const forced = this.moves.isMoving(name) || to === "FAULT" || to === "STOP";
		this.health.deliver({ type: "roleChanged", nowUs, instance: name, role: to, forced });
		const group = this.groups.groupOf(name);
		if (group) this.groups.deliver(group, { type: "memberMoved", nowUs, member: name, transition });
	}

	stepped(router: VirtualRouter): void {
		const { config, state } = router;
		this.moves.stepped(router);
		this.heartbeats.ownChanged(config, state, this.moves.successorOf(config.name));
		if (this.#priorities.get(router) !== state.priority) {
			if (this.#priorities.has(router)) this.#deps.onPriority?.(config, state.priority, state.role);
			this.#priorities.set(router, state.priority);
		}
		if (state.role === "STOP" && this.#leaving.delete(router)) {
			router.close();
			this.#priorities.delete(router);
		}
		this.#onStepped();
	}

	heard(router: VirtualRouter, source: string, advert: ReceivedAdvert, nowUs: number): void {
		const { priority } = advert;
		const { name } = router.config;
		this.#open.heard(router, source, advert, nowUs);
		const intervalUs = advert.intervalMs * 1000;
		this.health.deliver({ type: "advertHeard", nowUs, instance: name, peer: source, priority, intervalUs });
	}

	faultsChanged(router: VirtualRouter): void {
		this.#tellFaults(router);
	}

	lowerPriorityHeard(router: VirtualRouter): void {
		this.#deps.onLowerPriorityHeard?.(router.config, router.state.priority);
	}

	heldBack(router: VirtualRouter, nowUs: number): string | undefined {
		for (const member of this.groups.membersWith(router.config)) {
			const other = this.#routers.get(member);
			const master = other && other !== router ? leavesTo(other.config, other.state, nowUs) : undefined;
			if (master !== undefined) return `${member} of the same group leaves the addresses to ${master}`;
		}
		return undefined;
	}

	noted(router: VirtualRouter, because: string, facts: object = {}): void {
		this.#deps.log.warn({ instance: router.config.name, ...facts }, because);
	}

	#add(config: InstanceConfig): VirtualRouter {
		const { network, loop, wallMs, hashes, leases } = this.#deps;
		const router = new VirtualRouter(config, {
			network,
			loop,
			wallMs,
			hashes,
			ports: this.ports,
			conflicts: this.#conflicts,
			leases,
			listener: this,
		});
		this.#routers.set(config.name, router);
		this.#open.added(router);
		return router;
	}

	#begin(router: VirtualRouter): void {
		router.openSocket();
		this.#tellHealth(router);
		this.#waiting.add(router);
		this.#startReady();
	}

	/** A sync group starts as a whole. */
	#startReady(): void {
		for (const router of this.#waiting) {
			if (this.groups.membersWith(router.config).some((member) => this.health.isWaiting(member))) continue;
			this.#waiting.delete(router);
			router.start(this.#config.global.startupDelayMs * 1000);
		}
	}

	#healthChanged(router: VirtualRouter | undefined): void {
		if (!router) return;
		this.#tellFaults(router);
		if (this.#waiting.size > 0) this.#startReady();
	}

	#remove(name: string): void {
		const router = this.#routers.get(name);
		if (!router) return;
		this.#routers.delete(name);
		this.#waiting.delete(router);
		this.#leaving.add(router);
		router.deliver({ type: "stopRequested", nowUs: this.#deps.loop.nowUs(), handOver: true });
	}

	#tellHealth(router: VirtualRouter): void {
		const { config } = router;
		const priority = this.health.priorityOf(config.name) ?? config.priority;
		router.deliver({ type: "priorityChanged", nowUs: this.#deps.loop.nowUs(), priority });
		this.#tellFaults(router);
	}

	#tellFaults(router: VirtualRouter): void {
		const { name } = router.config;
		const nowUs = this.#deps.loop.nowUs();
		const reasons = this.#faultsOf(router);
		const group = this.groups.groupOf(name);
		if (group) this.groups.deliver(group, { type: "memberFaultsChanged", nowUs, member: name, reasons });
		else if (reasons.join("\n") !== router.state.faults.join("\n"))
			router.deliver({ type: "faultChanged", nowUs, reasons });
	}

	#faultsOf(router: VirtualRouter): readonly string[] {
		const { config } = router;
		const reasons: string[] = [];
		const link = config.ignoresOwnInterface ? undefined : this.#links.faultOf(config.interface);
		if (link) reasons.push(link);
		else if (router.socketFault) reasons.push(router.socketFault);
		const lost = this.#deps.leases?.faultOf(router);
		if (lost !== undefined) reasons.push(lost);
		if (config.faultWithoutPeers && config.transport.type === "unicast" && config.transport.peers.length === 0)
			reasons.push("it has no unicast peer");
		// Who runs already goes on until a new check has said something; who does not run waits anyhow.
		return this.health.isWaiting(config.name) ? reasons : [...reasons, ...this.health.faultsOf(config.name)];
	}

	#tellByKey(link: string, key: string, event: InstanceEvent): void {
		for (const router of this.#routers.values()) {
			const { config } = router;
			if (entryKey(config) !== key || heartbeatLinkKey(config) !== link) continue;
			if (event.type === "heartbeatHeard") this.health.deliver({ ...event, instance: config.name });
			router.deliver(event);
		}
	}

	#peerGone(link: string, peer: string): void {
		const nowUs = this.#deps.loop.nowUs();
		for (const { config } of this.#routers.values())
			if (heartbeatLinkKey(config) === link)
				this.health.deliver({ type: "heartbeatLost", nowUs, instance: config.name, peer });
	}
}
