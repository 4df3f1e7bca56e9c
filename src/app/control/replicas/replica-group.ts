// The control planes of one mesh as a group: which of them takes writes, and what each says of itself. In: the role of the virtual
// IP, the other replicas, changes as they come into force here. Out: who leads, the label of every response.

import {
	newerRevision,
	parseRevision,
	type Revision,
	renderRevision,
	renderRevisionLabel,
} from "../../../model/revision.ts";
import { initialLeaderState, type LeaderEvent, leaderOf, stepLeader } from "../../../replicas/leader-machine.ts";
import type { ReplicaHello } from "../../../replicas/replica-message.ts";
import type { Change } from "../../../snapshot/change.ts";
import type { HostPort } from "../control-options.ts";
import { ReplicaLog, type ReplicaLogParts } from "./replica-log.ts";
import { ReplicaPeer, type ReplicaPeerOptions } from "./replica-peer.ts";

export interface ReplicaGroupOptions {
	readonly id: string;
	/** Another one after each start. */
	readonly run: string;
	/** Where nodes reach this replica: `host:port`. */
	readonly xds: string;
	/** The others, as they are known at the start. */
	readonly peers: readonly HostPort[];
	readonly stateFile?: string;
}

export interface ReplicaGroupParts extends Pick<ReplicaLogParts, "clock" | "log" | "files" | "onLocalEdits"> {
	readonly tls: ReplicaPeerOptions["tls"];
	/** Absent: each reads files of its own. */
	readonly commonSource?: CommonSource;
}

/** What all replicas read, and none of them writes. */
export interface CommonSource {
	/** Finds out whether it can be read. */
	ask(): void;
	/** It was found so at this moment or later, and everything of it is here. Milliseconds of the clock. */
	isReadSince(ms: number): boolean;
}

export interface ReplicaStatus {
	readonly id: string;
	readonly leader?: string;
	readonly role: "leader" | "follower" | "gathering";
	readonly revision: string;
	/** Resources that are not here as the newest revision has them. */
	readonly differing: number;
	readonly peers: readonly {
		readonly address: string;
		readonly id?: string;
		readonly has?: string;
		readonly because?: string;
	}[];
}

const gatherMs = 300;

export interface ReplicaAnswer<Answer> {
	readonly address: string;
	readonly answer: Answer | undefined;
}

export class ReplicaGroup {
	readonly log: ReplicaLog;
	readonly #options: ReplicaGroupOptions;
	readonly #parts: ReplicaGroupParts;
	readonly #peerParts: ConstructorParameters<typeof ReplicaPeer>[1];
	#peers: readonly ReplicaPeer[] = [];
	#speaks = false;
	readonly #waiting = new Set<() => void>();
	/** What each said last that it knows, by address. */
	readonly #knew = new Map<string, string>();
	#state = initialLeaderState;
	#leaderlessSinceMs: number;
	#closed = false;
	#leaves = false;

	constructor(options: ReplicaGroupOptions, parts: ReplicaGroupParts) {
		this.#options = options;
		this.#parts = parts;
		this.#leaderlessSinceMs = parts.clock.monotonicMs();
		this.log = new ReplicaLog(options, {
			...parts,
			peers: () => this.#peers,
			isLeader: () => this.isLeader,
			leader: () => (this.leader === undefined ? undefined : this.peerOf(this.leader)?.said),
			onEpoch: (epoch) => {
				if (this.isLeader && epoch > this.#state.epoch) this.#deliver({ type: "epochHeard", epoch });
			},
		});
		this.#peerParts = {
			clock: parts.clock,
			hello: () => this.hello(),
			onHello: (from: ReplicaPeer, said: ReplicaHello, isNew: boolean) => this.#onHello(from, said, isNew),
			onGone: (from: ReplicaPeer, because: string) => this.#onGone(from, because),
		};
		this.setPeers(options.peers);
	}

	/** The others are these from now on. */
	setPeers(peers: readonly HostPort[]): void {
		const wanted = new Map<string, HostPort>(peers.map((peer) => [`${peer.host}:${peer.port}`, peer]));
		const gone = this.#peers.filter(({ address }) => !wanted.has(address));
		const stay = this.#peers.filter(({ address }) => wanted.has(address));
		for (const { address } of stay) wanted.delete(address);
		const come = [...wanted.values()].map(
			(peer) => new ReplicaPeer({ ...peer, tls: this.#parts.tls }, this.#peerParts),
		);
		this.#peers = [...stay, ...come];
		for (const peer of gone) {
			peer.close();
			this.#knew.delete(peer.address);
		}
		if (gone.length > 0) this.#forgetLeaders();
		if (this.#speaks) for (const peer of come) peer.speak();
	}

	/** Begins to speak with the others; from then on they may ask. */
	start(): void {
		this.#speaks = true;
		for (const peer of this.#peers) peer.speak();
	}

	close(): void {
		this.#closed = true;
		for (const peer of this.#peers) peer.close();
		this.log.close();
		this.#wake();
	}

	get isLeader(): boolean {
		return this.#state.role === "leader";
	}

	/** The id of the one that takes writes, as far as it is known. */
	get leader(): string | undefined {
		return leaderOf(this.#state, this.#options.id);
	}

	/** Another one serves as well. */
	get hasOthers(): boolean {
		return this.#peers.some(({ said }) => said && !said.leaves);
	}

	/** What each of the others that is in contact answers; undefined for one that does not in time. */
	askOthers<Answer extends object>(path: string, timeoutMs: number): Promise<readonly ReplicaAnswer<Answer>[]> {
		const asked = this.#peers.filter(({ said }) => said);
		return Promise.all(
			asked.map(async (peer) => ({
				address: peer.address,
				answer: await peer.call<Answer>(path, {}, timeoutMs).catch(() => undefined),
			})),
		);
	}

	peerOf(id: string): ReplicaPeer | undefined {
		return this.#peers.find(({ said }) => said?.id === id);
	}

	/**
	 * Of every response; undefined: taken as it is. That is so before anything is known, and while nobody counts changes of a source
	 * that this replica has read since: then it has what any other could have.
	 */
	label(): string | undefined {
		if (this.log.newest.epoch === 0) return undefined;
		const isCurrent = this.leader === undefined && this.#parts.commonSource?.isReadSince(this.#leaderlessSinceMs);
		return isCurrent ? undefined : renderRevisionLabel(this.log.label());
	}

	/** What proxies are served is this from now on. */
	onApplied(changes: readonly Change[]): void {
		this.log.onApplied(changes);
	}

	/** VRRP gave this replica the virtual IP, or took it; on Kubernetes, the Lease. */
	setOwner(isOwner: boolean): void {
		if (!this.#leaves) this.#deliver({ type: "ownerChanged", isOwner });
	}

	/** It is about to stop: others are to take over. */
	leave(): void {
		this.#deliver({ type: "ownerChanged", isOwner: false });
		this.#leaves = true;
		for (const peer of this.#peers) peer.speak();
	}

	/** Every replica in contact has what this one has; at most `withinMs`. */
	async settled(withinMs: number): Promise<void> {
		await Promise.race([this.log.settled(), this.#after(withinMs)]);
	}

	/** Resolves when who leads may have changed, and after `withinMs` in any case. */
	async changed(withinMs: number): Promise<void> {
		const woken = Promise.withResolvers<void>();
		this.#waiting.add(woken.resolve);
		await Promise.race([woken.promise, this.#after(withinMs)]);
		this.#waiting.delete(woken.resolve);
	}

	hello(): ReplicaHello {
		const { id, run, xds } = this.#options;
		return {
			id,
			run,
			xds,
			has: renderRevision(this.log.label().has),
			knows: renderRevision(this.log.newest),
			...(this.isLeader ? { leads: this.#state.epoch } : {}),
			...(this.#leaves ? { leaves: true as const } : {}),
		};
	}

	/** Another replica said something on a connection of its own. */
	heard(said: ReplicaHello): void {
		const peer = this.peerOf(said.id);
		if (peer?.said?.run === said.run) this.#deliver({ type: "peerSaid", id: said.id, epoch: said.leads });
		// One that has just started is asked at once.
		else for (const each of this.#peers) if (!each.said) each.speak();
	}

	status(): ReplicaStatus {
		const { leader } = this;
		return {
			id: this.#options.id,
			...(leader === undefined ? {} : { leader }),
			role: this.#state.role,
			revision: renderRevisionLabel(this.log.label()),
			differing: this.log.differing,
			peers: this.#peers.map(({ address, said, lastLoss }) => ({
				address,
				...(said ? { id: said.id, has: said.has } : {}),
				...(said || lastLoss === undefined ? {} : { because: lastLoss }),
			})),
		};
	}

	#deliver(event: LeaderEvent): void {
		if (this.#closed) return;
		const before = this.leader;
		const { state, actions } = stepLeader(this.#state, event);
		this.#state = state;
		for (const action of actions) {
			switch (action.type) {
				case "gather":
					void this.#gather();
					break;
				case "lead":
					this.log.lead(action.from);
					this.#parts.log.info({ revision: renderRevision(this.log.newest) }, "this control plane takes writes");
					break;
				case "follow":
					this.#parts.log.info({}, "this control plane no longer takes writes");
					break;
				default:
					action satisfies never;
			}
			for (const peer of this.#peers) peer.speak();
		}
		if (before === this.leader) return;
		if (this.leader === undefined) {
			this.#leaderlessSinceMs = this.#parts.clock.monotonicMs();
			this.#parts.commonSource?.ask();
		}
		this.#parts.log.info({ leader: this.leader }, "the leader of the control planes changed");
		this.#wake();
	}

	async #gather(): Promise<void> {
		const { clock, files } = this.#parts;
		const startedMs = clock.monotonicMs();
		const inContact = this.#peers.filter(({ said }) => said);
		const pulls = inContact.map((peer) => this.log.pull(peer).catch(() => {}));
		await Promise.race([Promise.all(pulls), this.#after(gatherMs)]);
		await files.rescan();
		const newest = inContact
			.flatMap(({ said }) => (said ? [parseRevision(said.knows)] : []))
			.reduce<Revision>((all, one) => (one ? newerRevision(all, one) : all), this.log.newest);
		this.#parts.log.info({ tookMs: Math.round(clock.monotonicMs() - startedMs) }, "what the others know is here");
		this.#deliver({ type: "gathered", newest, wallMs: clock.wallMs() });
	}

	#onHello(peer: ReplicaPeer, said: ReplicaHello, isNew: boolean): void {
		if (said.id === this.#options.id) return;
		if (isNew) this.#parts.log.info({ peer: said.id, address: peer.address }, "another control plane is in contact");
		this.#deliver({ type: "peerSaid", id: said.id, epoch: said.leads });
		const knows = parseRevision(said.knows);
		const isAhead = knows !== undefined && newerRevision(this.log.newest, knows) !== this.log.newest;
		// What is on its way comes by itself; what was lost does not.
		const isLate = isAhead && this.#knew.get(peer.address) === said.knows;
		this.#knew.set(peer.address, said.knows);
		if (isNew || isLate) void this.log.pull(peer).catch(() => {});
	}

	#onGone(peer: ReplicaPeer, because: string): void {
		this.#parts.log.warn({ address: peer.address, because }, "another control plane is not in contact");
		this.#forgetLeaders();
	}

	#forgetLeaders(): void {
		const known = new Set(this.#peers.flatMap(({ said }) => said?.id ?? []));
		for (const id of this.#state.others.keys()) if (!known.has(id)) this.#deliver({ type: "peerGone", id });
	}

	#wake(): void {
		for (const resolve of this.#waiting) resolve();
		this.#waiting.clear();
	}

	#after(ms: number): Promise<void> {
		return new Promise((resolve) => this.#parts.clock.after(ms, resolve));
	}
}
