// What this replica knows of every resource of the mesh, and how it and the others come to know the same. In: changes as they come
// into force here, entries of others. Out: entries pushed to them, files written where they are this replica's own, the label of
// what it serves.

import { compareRevisions, parseRevision, type Revision, type RevisionLabel } from "../../../model/revision.ts";
import { AppliedState } from "../../../replicas/applied-state.ts";
import {
	entriesMessage,
	entriesOf,
	type ReplicaEntries,
	type ReplicaHello,
	replicaPaths,
} from "../../../replicas/replica-message.ts";
import { type ReplicaEntry, ReplicaTable } from "../../../replicas/replica-table.ts";
import type { ObjectKey } from "../../../resources/config-object.ts";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Change } from "../../../snapshot/change.ts";
import { LocalEdits } from "./local-edits.ts";
import { type ReplicaFiles, withTexts } from "./replica-exchange.ts";
import type { ReplicaPeer } from "./replica-peer.ts";
import { ReplicaStateFile } from "./replica-state-file.ts";

export interface ReplicaLogParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly files: ReplicaFiles;
	readonly peers: () => readonly ReplicaPeer[];
	readonly isLeader: () => boolean;
	/** The leader, when it is another one. */
	readonly leader: () => ReplicaHello | undefined;
	/** Something of this epoch is known here now. */
	readonly onEpoch: (epoch: number) => void;
	/** Files of this replica alone were edited: the leader is to say so to all. Undefined: the resource is gone. */
	readonly onLocalEdits: (texts: ReadonlyMap<ObjectKey, string | undefined>) => Promise<void>;
}

const timeoutMs = 2_000;
const lookAgainMs = { first: 1_000, most: 30_000 };
const maxRowsPerMessage = 2_000;

export class ReplicaLog {
	readonly #id: string;
	readonly #parts: ReplicaLogParts;
	readonly #table = new ReplicaTable();
	readonly #applied = new AppliedState(this.#table);
	readonly #file: ReplicaStateFile;
	readonly #edits: LocalEdits;
	#look: Cancel | undefined;
	#lookAfterMs = lookAgainMs.first;
	#closed = false;

	constructor(options: { readonly id: string; readonly stateFile?: string }, parts: ReplicaLogParts) {
		this.#id = options.id;
		this.#parts = parts;
		this.#file = new ReplicaStateFile(options.stateFile, this.#table, parts);
		this.#file.load();
		this.#edits = new LocalEdits({
			...parts,
			isDue: (key) => this.#applied.differing.has(key),
			mayTell: () => {
				const leader = parts.leader();
				return leader !== undefined && !parts.files.isSharedWith(leader);
			},
			tell: async (keys) => {
				const texts = await parts.files.textsOf(keys);
				await parts.onLocalEdits(new Map(keys.map((key) => [key, texts.get(key)])));
			},
		});
	}

	get newest(): Revision {
		return this.#table.newest;
	}

	/** Resources that are not here as the newest revision has them. */
	get differing(): number {
		return this.#applied.differing.size;
	}

	label(): RevisionLabel {
		return this.#applied.label();
	}

	onApplied(changes: readonly Change[]): void {
		const before = new Set(this.#applied.differing);
		const differing = this.#applied.apply(changes);
		if (this.#parts.isLeader()) {
			this.#record(differing);
			return;
		}
		if (differing.length > 0) this.#lookAgainSoon();
		// What was as the table says, and is not any more, was changed here.
		this.#edits.add(differing.filter((key) => !before.has(key)));
	}

	/** This replica leads from here on: what it serves is what counts. */
	lead(from: Revision): void {
		this.#table.reach(from);
		this.#record([...this.#applied.differing]);
		this.#file.save();
	}

	/** Entries of a replica that leads. */
	async take(message: ReplicaEntries): Promise<void> {
		if (this.#hasMissed(message)) {
			const sender = this.#peerCalled(message.from);
			// These are among them. What cannot be asked for now is still missing for whoever looks at the newest revision.
			if (sender) await this.pull(sender);
			return;
		}
		const news = this.#learn(entriesOf(message), parseRevision(message.newest));
		const differing = news.filter(({ key }) => this.#applied.differing.has(key));
		if (differing.length > 0) {
			if (this.#isSharedWith(this.#peerCalled(message.from)?.said)) this.#lookAgainSoon();
			else await this.#write(differing);
		}
		// What a leader that was apart had counted is counted anew, so that all take it from this one.
		if (this.#parts.isLeader() && news.length > 0) this.#recount(news);
	}

	/** What is known here: everything without its texts, or these with them. */
	async entries(keys?: readonly ObjectKey[]): Promise<ReplicaEntries> {
		if (!keys) return entriesMessage(this.#id, this.newest, [...this.#table.entries()]);
		const wanted = keys.flatMap((key) => this.#table.get(key) ?? []);
		return entriesMessage(this.#id, this.newest, await withTexts(this.#parts.files, wanted));
	}

	/** Takes over what another replica knows; what is written down differently there is written down here. */
	async pull(peer: ReplicaPeer): Promise<void> {
		const all = await peer.call<ReplicaEntries>(replicaPaths.state, {}, timeoutMs);
		const news = this.#learn(entriesOf(all), parseRevision(all.newest));
		if (this.#isSharedWith(peer.said)) this.#lookAgainSoon();
		else await this.#repair(peer);
		if (this.#parts.isLeader() && news.length > 0) this.#recount(news);
	}

	/** Every replica in contact has what this one has. */
	async settled(): Promise<void> {
		const nothing = entriesMessage(this.#id, this.newest, [], this.newest);
		await Promise.all(this.#parts.peers().map((peer) => peer.push(async () => nothing, timeoutMs)));
	}

	close(): void {
		this.#closed = true;
		this.#look?.();
		this.#edits.close();
		this.#file.save();
	}

	/** What differs from the table is what counts. */
	#record(keys: readonly ObjectKey[]): void {
		this.#count(
			keys.map((key) => {
				const hash = this.#applied.hashOf(key);
				return hash === undefined ? { key } : { key, hash };
			}),
		);
	}

	#recount(news: readonly ReplicaEntry[]): void {
		this.#count(news.map(({ key, hash }) => (hash === undefined ? { key } : { key, hash })));
	}

	/** Gives these the next revision, one for each message, and tells the others. */
	#count(rows: readonly Omit<ReplicaEntry, "revision">[]): void {
		for (let at = 0; at < rows.length; at += maxRowsPerMessage) {
			const since = this.newest;
			const revision = { ...since, counter: since.counter + 1 };
			this.#tell(
				rows.slice(at, at + maxRowsPerMessage).map((row) => ({ ...row, revision })),
				since,
			);
		}
	}

	#tell(entries: readonly ReplicaEntry[], since: Revision): void {
		this.#table.take(entries);
		const { newest } = this;
		this.#applied.compare(entries.map(({ key }) => key));
		this.#file.saveSoon();
		for (const peer of this.#parts.peers()) {
			if (!peer.said) continue;
			const make = async (): Promise<ReplicaEntries> => {
				const carried = this.#isSharedWith(peer.said) ? entries : await withTexts(this.#parts.files, entries);
				return entriesMessage(this.#id, newest, carried, since);
			};
			void peer.push(make, timeoutMs);
		}
	}

	/** Those that were news. */
	#learn(entries: readonly ReplicaEntry[], newest: Revision | undefined): readonly ReplicaEntry[] {
		const news = this.#table.take(entries);
		if (newest) this.#table.reach(newest);
		this.#parts.onEpoch(this.#table.newest.epoch);
		this.#applied.compare(news.map(({ key }) => key));
		if (news.length > 0) this.#file.saveSoon();
		return news;
	}

	/** Files that say something else than the table, as the other replica has them. */
	async #repair(peer: ReplicaPeer): Promise<void> {
		const keys = [...this.#applied.differing];
		const known = keys.filter((key) => this.#table.get(key));
		for (let at = 0; at < known.length; at += maxRowsPerMessage) {
			const some = known.slice(at, at + maxRowsPerMessage);
			const answer = await peer.call<ReplicaEntries>(replicaPaths.state, { keys: some }, timeoutMs);
			// What has become newer meanwhile comes by itself.
			await this.#write(entriesOf(answer).filter(({ key, hash }) => hash === this.#table.get(key)?.hash));
		}
		this.#edits.add(keys.filter((key) => !this.#table.get(key)));
	}

	async #write(entries: readonly ReplicaEntry[]): Promise<void> {
		await this.#parts.files.write(entries);
		this.#applied.compare(entries.map(({ key }) => key));
	}

	#isSharedWith(said: ReplicaHello | undefined): boolean {
		return said === undefined || this.#parts.files.isSharedWith(said);
	}

	#peerCalled(id: string): ReplicaPeer | undefined {
		return this.#parts.peers().find(({ said }) => said?.id === id);
	}

	/** Something came before these entries that did not come here. */
	#hasMissed({ since: text = "" }: ReplicaEntries): boolean {
		const since = parseRevision(text);
		return since !== undefined && compareRevisions(this.newest, since) < 0;
	}

	/**
	 * Where several read the same: what one of them has seen already is looked for, should this one have missed it, and asked for, should
	 * the leader have counted it and not been heard. Again, and less often each time, as long as there is a difference.
	 */
	#lookAgainSoon(): void {
		if (this.#closed) return;
		this.#look ??= this.#parts.clock.after(this.#lookAfterMs, async () => {
			const { differing } = this.#applied;
			if (differing.size > 0) {
				const leader = this.#peerCalled(this.#parts.leader()?.id ?? "");
				await Promise.all([this.#parts.files.rescan(), leader && this.pull(leader).catch(() => {})]);
			}
			this.#look = undefined;
			const { first, most } = lookAgainMs;
			this.#lookAfterMs = differing.size > 0 ? Math.min(2 * this.#lookAfterMs, most) : first;
			if (differing.size > 0) this.#lookAgainSoon();
		});
	}
}
