// The control planes of one mesh as a group: which of them takes writes, how new what each serves is, and what one knows that
// others do not. In: changes as they come into force here, the role of the virtual IP, the other replicas. Out: entries for them,
// the label of every response, writes carried to the leader.

import {
	newerRevision,
	parseRevision,
	type Revision,
	renderRevision,
	renderRevisionLabel,
} from "../../../model/revision.ts";
import { AppliedState } from "../../../replicas/applied-state.ts";
import { initialLeaderState, type LeaderEvent, leaderOf, stepLeader } from "../../../replicas/leader-machine.ts";
import {
	entriesMessage,
	entriesOf,
	type ReplicaEntries,
	type ReplicaHello,
	replicaPaths,
} from "../../../replicas/replica-message.ts";
import { type ReplicaEntry, ReplicaTable } from "../../../replicas/replica-table.ts";
import type { ObjectKey } from "../../../resources/config-object.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Change } from "../../../snapshot/change.ts";
import type { HostPort } from "../control-options.ts";
import { ReplicaPeer, type ReplicaPeerOptions } from "./replica-peer.ts";
import { ReplicaStateFile } from "./replica-state-file.ts";

export interface ReplicaGroupOptions {
	readonly id: string;
	/** Where nodes reach this replica: `host:port`. */
	readonly xds: string;
	/** The others. */
	readonly peers: readonly HostPort[];
	readonly stateFile?: string;
}

/** The resources of this replica, as far as the group has to do with them. */
export interface ReplicaFiles {
	/** True when the other replica reads the same files: then nothing is carried between them. */
	isSharedWith(peer: ReplicaHello): boolean;
	/** The documents of these resources, as they are now. */
	textsOf(keys: readonly ObjectKey[]): Promise<ReadonlyMap<ObjectKey, string>>;
	/** Makes this replica's files say what the entries do, and resolves when they are in force. */
	write(entries: readonly ReplicaEntry[]): Promise<void>;
	/** Resolves when the files as they are now are in force. */
	rescan(): Promise<void>;
}

export interface ReplicaGroupParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly run: string;
	readonly files: ReplicaFiles;
	readonly tls: ReplicaPeerOptions["tls"];
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

const pullTimeoutMs = 300;
const pushTimeoutMs = 2_000;
const rescanAfterMs = 1_000;
const maxRowsPerMessage = 2_000;

export class ReplicaGroup {
	readonly #options: ReplicaGroupOptions;
	readonly #parts: ReplicaGroupParts;
	readonly #table = new ReplicaTable();
	readonly #applied = new AppliedState(this.#table);
	readonly #file: ReplicaStateFile;
	readonly #peers: readonly ReplicaPeer[];
	readonly #waiting = new Set<() => void>();
	#state = initialLeaderState;
	#closed = false;
	#leaves = false;
	#rescanDue = false;

	constructor(options: ReplicaGroupOptions, parts: ReplicaGroupParts) {
		this.#options = options;
		this.#parts = parts;
		this.#file = new ReplicaStateFile(options.stateFile, this.#table, parts);
		this.#file.load();
		this.#peers = options.peers.map(
			(peer) =>
				new ReplicaPeer(
					{ ...peer, tls: parts.tls },
					{
						clock: parts.clock,
						hello: () => this.hello(),
						onHello: (from, said, isNew) => this.#onHello(from, said, isNew),
						onGone: (from, because) => this.#onGone(from, because),
					},
				),
		);
	}

	/** Begins to speak with the others; from then on they may ask. */
	start(): void {
		for (const peer of this.#peers) peer.speak();
	}

	close(): void {
		this.#closed = true;
		for (const peer of this.#peers) peer.close();
		this.#file.save();
		this.#wake();
	}

	get isLeader(): boolean {
		return this.#state.role === "leader";
	}

	/** `self` is this replica's id. */
	get leader(): string | undefined {
		return leaderOf(this.#state, this.#options.id);
	}

	peerOf(id: string): ReplicaPeer | undefined {
		return this.#peers.find(({ said }) => said?.id === id);
	}

	/** Of every response; undefined before anything is known. */
	label(): string | undefined {
		return this.#table.newest.epoch === 0 ? undefined : renderRevisionLabel(this.#applied.label());
	}

	/** What proxies are served is this from now on. */
	onApplied(changes: readonly Change[]): void {
		const differing = this.#applied.apply(changes);
		if (this.isLeader) this.#record(differing);
		else if (differing.length > 0) this.#rescanSoon();
	}

	/** VRRP gave this replica the virtual IP, or took it. */
	setOwner(isOwner: boolean): void {
		this.#deliver({ type: "ownerChanged", isOwner });
	}

	/** It is about to stop: others are to take over. */
	leave(): void {
		this.#leaves = true;
		this.#deliver({ type: "ownerChanged", isOwner: false });
		for (const peer of this.#peers) peer.speak();
	}

	/** Every replica in contact has what this one has; at most `withinMs`. */
	async settled(withinMs: number): Promise<void> {
		const pushed = Promise.all(this.#peers.map((peer) => peer.push(async () => this.#message([]), pushTimeoutMs)));
		await Promise.race([pushed, this.#after(withinMs)]);
	}

	/** Resolves when who leads may have changed, and after `withinMs` in any case. */
	async changed(withinMs: number): Promise<void> {
		const woken = Promise.withResolvers<void>();
		this.#waiting.add(woken.resolve);
		await Promise.race([woken.promise, this.#after(withinMs)]);
		this.#waiting.delete(woken.resolve);
	}

	hello(): ReplicaHello {
		const { has } = this.#applied.label();
		return {
			id: this.#options.id,
			run: this.#parts.run,
			xds: this.#options.xds,
			has: renderRevision(has),
			knows: renderRevision(this.#table.newest),
			...(this.isLeader ? { leads: this.#state.epoch } : {}),
			...(this.#leaves ? { leaves: true as const } : {}),
		};
	}

	/** Another replica said something on a connection of its own. */
	heard(said: ReplicaHello): void {
		const peer = this.peerOf(said.id);
		if (peer && peer.said?.run === said.run) this.#deliver({ type: "peerSaid", id: said.id, epoch: said.leads });
		// A replica that starts is not waited for.
		else for (const each of this.#peers) if (!each.said) each.speak();
	}

	/** Entries of a replica that leads. */
	async take(message: ReplicaEntries, from: ReplicaHello | undefined): Promise<void> {
		await this.#take(entriesOf(message), parseRevision(message.newest), from);
	}

	/** What is known here: everything without its texts, or these with them. */
	async entries(keys?: readonly ObjectKey[]): Promise<ReplicaEntries> {
		if (!keys) return this.#message([...this.#table.entries()]);
		return this.#message(await this.#withTexts(keys.flatMap((key) => this.#table.get(key) ?? [])));
	}

	status(): ReplicaStatus {
		const leader = this.leader;
		return {
			id: this.#options.id,
			...(leader === undefined ? {} : { leader }),
			role: this.#state.role,
			revision: renderRevisionLabel(this.#applied.label()),
			differing: this.#applied.differing.size,
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
					this.#lead(action.from);
					break;
				case "follow":
					this.#parts.log.info({}, "this control plane no longer takes writes");
					for (const peer of this.#peers) peer.speak();
					break;
				default:
					action satisfies never;
			}
		}
		if (before === this.leader) return;
		this.#parts.log.info({ leader: this.leader }, "the leader of the control planes changed");
		this.#wake();
	}

	async #gather(): Promise<void> {
		const { clock, files } = this.#parts;
		const startedMs = clock.monotonicMs();
		const inContact = this.#peers.filter(({ said }) => said);
		const pulls = inContact.map((peer) => this.#pull(peer).catch(() => {}));
		await Promise.race([Promise.all(pulls), this.#after(pullTimeoutMs)]);
		await files.rescan();
		const newest = inContact
			.flatMap(({ said }) => (said ? [parseRevision(said.knows)] : []))
			.reduce<Revision>((all, one) => (one ? newerRevision(all, one) : all), this.#table.newest);
		this.#parts.log.info({ tookMs: Math.round(clock.monotonicMs() - startedMs) }, "what the others know is here");
		this.#deliver({ type: "gathered", newest, wallMs: clock.wallMs() });
	}

	#lead(from: Revision): void {
		this.#table.reach(from);
		this.#record([...this.#applied.differing]);
		this.#file.save();
		this.#parts.log.info({ revision: renderRevision(this.#table.newest) }, "this control plane takes writes");
		for (const peer of this.#peers) peer.speak();
	}

	/** Gives what differs from the table the next revision, and tells the others. */
	#record(keys: readonly ObjectKey[]): void {
		if (keys.length === 0) return;
		const { epoch, counter } = this.#table.newest;
		const revision = { epoch, counter: counter + 1 };
		const entries = keys.map((key): ReplicaEntry => {
			const hash = this.#applied.hashOf(key);
			return { key, revision, ...(hash === undefined ? {} : { hash }) };
		});
		this.#table.take(entries);
		this.#applied.compare(keys);
		this.#file.saveSoon();
		for (const peer of this.#peers) if (peer.said) this.#pushTo(peer, entries);
	}

	#pushTo(peer: ReplicaPeer, entries: readonly ReplicaEntry[]): void {
		for (let at = 0; at < entries.length; at += maxRowsPerMessage) {
			const some = entries.slice(at, at + maxRowsPerMessage);
			void peer.push(async () => {
				const isShared = !peer.said || this.#parts.files.isSharedWith(peer.said);
				return this.#message(isShared ? some : await this.#withTexts(some));
			}, pushTimeoutMs);
		}
	}

	async #take(
		entries: readonly ReplicaEntry[],
		newest: Revision | undefined,
		from: ReplicaHello | undefined,
	): Promise<void> {
		const news = this.#table.take(entries);
		if (newest) this.#table.reach(newest);
		if (this.isLeader && this.#table.newest.epoch > this.#state.epoch)
			this.#deliver({ type: "epochHeard", epoch: this.#table.newest.epoch });
		const differing = this.#applied.compare(news.map(({ key }) => key));
		if (news.length > 0) this.#file.saveSoon();
		if (differing.length === 0) return;
		if (from && !this.#parts.files.isSharedWith(from)) {
			const wanted = new Set(differing);
			await this.#parts.files.write(news.filter(({ key }) => wanted.has(key)));
			this.#applied.compare(differing);
		} else this.#rescanSoon();
		// What a leader that was apart had counted is counted anew, so that all take it from this one.
		if (this.isLeader) this.#recount(news);
	}

	#recount(news: readonly ReplicaEntry[]): void {
		const { epoch, counter } = this.#table.newest;
		const revision = { epoch, counter: counter + 1 };
		const entries = news.map((entry) => ({ ...entry, revision }));
		this.#table.take(entries);
		this.#applied.compare(entries.map(({ key }) => key));
		for (const peer of this.#peers) if (peer.said) this.#pushTo(peer, entries);
	}

	async #pull(peer: ReplicaPeer): Promise<void> {
		const { said } = peer;
		const all = await peer.call<ReplicaEntries>(replicaPaths.state, {}, pushTimeoutMs);
		const entries = entriesOf(all);
		const isShared = !said || this.#parts.files.isSharedWith(said);
		const needed = isShared
			? []
			: entries.filter((entry) => {
					const own = this.#table.get(entry.key);
					const isNews = !own || newerRevision(own.revision, entry.revision) === entry.revision;
					return isNews && entry.hash !== undefined && entry.hash !== this.#applied.hashOf(entry.key);
				});
		const texts = new Map<ObjectKey, ReplicaEntry>();
		for (let at = 0; at < needed.length; at += maxRowsPerMessage) {
			const keys = needed.slice(at, at + maxRowsPerMessage).map(({ key }) => key);
			const some = await peer.call<ReplicaEntries>(replicaPaths.state, { keys }, pushTimeoutMs);
			for (const entry of entriesOf(some)) texts.set(entry.key, entry);
		}
		const merged = entries.map((entry) => texts.get(entry.key) ?? entry);
		await this.#take(merged, parseRevision(all.newest), said);
	}

	async #withTexts(entries: readonly ReplicaEntry[]): Promise<readonly ReplicaEntry[]> {
		const alive = entries.filter(({ hash }) => hash !== undefined).map(({ key }) => key);
		const texts = alive.length === 0 ? new Map<ObjectKey, string>() : await this.#parts.files.textsOf(alive);
		return entries.map((entry) => {
			const text = texts.get(entry.key);
			return text === undefined ? entry : { ...entry, text };
		});
	}

	#message(entries: readonly ReplicaEntry[]): ReplicaEntries {
		return entriesMessage(this.#options.id, this.#table.newest, entries);
	}

	#onHello(peer: ReplicaPeer, said: ReplicaHello, isNew: boolean): void {
		if (said.id === this.#options.id) return;
		if (isNew) this.#parts.log.info({ peer: said.id, address: peer.address }, "another control plane is in contact");
		this.#deliver({ type: "peerSaid", id: said.id, epoch: said.leads });
		const knows = parseRevision(said.knows);
		const isAhead = knows !== undefined && newerRevision(this.#table.newest, knows) !== this.#table.newest;
		if (isNew || isAhead) void this.#pull(peer).catch(() => {});
	}

	#onGone(peer: ReplicaPeer, because: string): void {
		this.#parts.log.warn({ address: peer.address, because }, "another control plane is not in contact");
		const known = new Set(this.#peers.flatMap(({ said }) => said?.id ?? []));
		for (const id of this.#state.others.keys()) if (!known.has(id)) this.#deliver({ type: "peerGone", id });
	}

	/** Files that are read by several: what another has seen already is looked for, should this one have missed it. */
	#rescanSoon(): void {
		if (this.#rescanDue) return;
		this.#rescanDue = true;
		void this.#after(rescanAfterMs).then(() => {
			this.#rescanDue = false;
			if (!this.#closed && this.#applied.differing.size > 0) void this.#parts.files.rescan();
		});
	}

	#wake(): void {
		for (const resolve of this.#waiting) resolve();
		this.#waiting.clear();
	}

	#after(ms: number): Promise<void> {
		return new Promise((resolve) => this.#parts.clock.after(ms, resolve));
	}
}
