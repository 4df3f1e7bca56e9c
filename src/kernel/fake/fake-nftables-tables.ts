// nftables in memory, for tests: it takes and refuses what the kernel does, by the same rules and with the same words.

import type { NftElement, NftSet, NftTable } from "../../l4/nftables/ruleset.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { Failure } from "../host-network.ts";
import { BatchWriter } from "../linux/nftables/batch-writer.ts";
import { describeChange } from "../linux/nftables/describe-change.ts";
import { encodeTransaction } from "../linux/nftables/encode-transaction.ts";
import { systemFailure } from "../linux/system-error.ts";
import type { NftablesTables, NftTableChange, TableContents, Written } from "../nftables-tables.ts";
import { refusedPaths } from "./nftables-paths.ts";
import { NftablesState, type TableState } from "./nftables-state.ts";

interface Watch {
	readonly tables: readonly NftTable[];
	readonly onForeignChange: (what: string) => void;
}

export class FakeNftablesTables implements NftablesTables {
	/** What was taken, in order. */
	readonly transactions: (readonly NftTableChange[])[] = [];
	readonly #state = new NftablesState();
	readonly #watches = new Set<Watch>();
	readonly #writer = new BatchWriter();
	#failures: Failure[] = [];

	/** The next transaction is refused so; several are kept in order. */
	failNext(failure: Failure): void {
		this.#failures.push(failure);
	}

	apply(changes: readonly NftTableChange[]): Written {
		const injected = this.#failures.shift();
		if (injected) return injected;
		const failure = this.#take(changes);
		if (failure) return failure;
		this.transactions.push(changes);
		return { ok: true, bytes: encodeTransaction(this.#writer, changes, 1).bytes.length, tookMs: 0 };
	}

	/** As another program would: those who watch are told. */
	applyForeign(changes: readonly NftTableChange[]): Written {
		const failure = this.#take(changes);
		if (failure) return failure;
		const names = new Set(changes.map(({ table }) => nameOf(table)));
		for (const { tables, onForeignChange } of [...this.#watches])
			for (const table of tables)
				if (names.has(nameOf(table))) onForeignChange(`table ${nameOf(table)}: changed, by another program`);
		return { ok: true, bytes: 0, tookMs: 0 };
	}

	read(table: NftTable): TableContents | undefined {
		const state = this.#state.get(table);
		return (
			state && {
				chains: [...state.chains.values()].map(({ chain, rules }) => ({ name: chain.name, rules: rules.length })),
				sets: [...state.sets.keys()],
			}
		);
	}

	elements(table: NftTable, set: NftSet): readonly NftElement[] {
		return this.#state.get(table)?.sets.get(set.name)?.elements.elements() ?? [];
	}

	/** For tests that look into rules. */
	table(table: NftTable): TableState | undefined {
		return this.#state.get(table);
	}

	watch(tables: readonly NftTable[], onForeignChange: (what: string) => void): Cancel {
		const watch = { tables, onForeignChange };
		this.#watches.add(watch);
		return () => this.#watches.delete(watch);
	}

	close(): void {
		this.#watches.clear();
	}

	#take(changes: readonly NftTableChange[]): Failure | undefined {
		for (const change of changes) {
			const error = this.#state.change(change);
			if (error !== 0) return this.#refused(error, describeChange(change));
		}
		const error = this.#refusedPaths(changes);
		if (error !== 0) return this.#refused(error, "the nftables transaction");
		this.#state.commit();
		return undefined;
	}

	#refused(error: number, what: string): Failure {
		this.#state.abort();
		return systemFailure(error, what);
	}

	/** Only tables where something was added that can make a path are worth following. */
	#refusedPaths(changes: readonly NftTableChange[]): number {
		const changed = new Set<TableState>();
		for (const { table, change } of changes) {
			const makesPath = change.type === "addRule" || (change.type === "addElements" && change.set.data === "verdict");
			const state = makesPath ? this.#state.get(table) : undefined;
			if (state) changed.add(state);
		}
		for (const state of changed) {
			const error = refusedPaths(state);
			if (error !== 0) return error;
		}
		return 0;
	}
}

const nameOf = ({ family, name }: NftTable): string => `${family} ${name}`;
