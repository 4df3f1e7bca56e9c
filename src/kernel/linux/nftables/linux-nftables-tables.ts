// Our tables in the kernel's nftables, by netlink. In: changes as values. Out: done, or which change the kernel refused and why.

import type { NftElement, NftSet, NftTable } from "../../../l4/nftables/ruleset.ts";
import type { Cancel } from "../../../runtime/clock.ts";
import type { Failure, Opened } from "../../host-network.ts";
import type { NftablesTables, NftTableChange, TableContents, Written } from "../../nftables-tables.ts";
import { insideNamespace } from "../network-namespace.ts";
import { NfnetlinkSocket, type Refusal } from "../nfnetlink-socket.ts";
import { systemFailure } from "../system-error.ts";
import { BatchWriter } from "./batch-writer.ts";
import { describeChange } from "./describe-change.ts";
import { type EncodedTransaction, encodeTransaction } from "./encode-transaction.ts";
import { readElements, readTable } from "./read-table.ts";
import { watchTables } from "./watch-tables.ts";

export interface NftablesOptions {
	/** `/run/netns/NAME`; absent: where the calling thread is. */
	readonly netns?: string;
}

export function openNftablesTables({ netns }: NftablesOptions = {}): Opened<NftablesTables> {
	const namespace = insideNamespace(netns);
	const opened = namespace.run(() => NfnetlinkSocket.open());
	if (!opened.ok) {
		namespace.close();
		return opened;
	}
	return { ok: true, value: new LinuxNftablesTables(opened.value, namespace) };
}

class LinuxNftablesTables implements NftablesTables {
	readonly #socket: NfnetlinkSocket;
	readonly #namespace: ReturnType<typeof insideNamespace>;
	readonly #writer = new BatchWriter();
	readonly #watches = new Set<() => void>();

	constructor(socket: NfnetlinkSocket, namespace: ReturnType<typeof insideNamespace>) {
		this.#socket = socket;
		this.#namespace = namespace;
	}

	apply(changes: readonly NftTableChange[]): Written {
		const start = performance.now();
		const batch = encodeTransaction(this.#writer, changes, this.#socket.takeSequences(0));
		this.#socket.takeSequences(batch.changeOf.length);
		const bytes = batch.bytes.length;
		// Nothing but a beginning and an end.
		if (batch.changeOf.length > 2) {
			const answer = this.#socket.sendBatch(batch.bytes, "nftables");
			this.#writer.clear();
			if (!answer.ok) return "failure" in answer ? answer.failure : refused(changes, batch, answer.refusals);
		}
		return { ok: true, bytes, tookMs: performance.now() - start };
	}

	read(table: NftTable): TableContents | undefined {
		return readTable(this.#socket, table);
	}

	elements(table: NftTable, set: NftSet): readonly NftElement[] {
		return readElements(this.#socket, table, set);
	}

	watch(tables: readonly NftTable[], onForeignChange: (what: string) => void): Cancel {
		const watching = this.#namespace.run(() => watchTables(tables, this.#socket.portId, onForeignChange));
		if (!watching.ok) throw new Error(watching.message);
		const { close } = watching.value;
		this.#watches.add(close);
		return () => {
			if (this.#watches.delete(close)) close();
		};
	}

	close(): void {
		for (const close of this.#watches) close();
		this.#watches.clear();
		this.#socket.close();
		this.#namespace.close();
	}
}

/** The first change that was refused: later ones may have failed for it. */
function refused(changes: readonly NftTableChange[], batch: EncodedTransaction, refusals: readonly Refusal[]): Failure {
	const first = refusals.reduce((a, b) => (b.sequence < a.sequence ? b : a));
	const index = batch.changeOf[first.sequence - batch.firstSequence] ?? -1;
	const change = changes[index];
	return systemFailure(first.error, change ? describeChange(change) : "the nftables transaction", first.kernelSays);
}
