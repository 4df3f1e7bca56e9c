// A whole transaction as one batch of netlink messages. In: changes. Out: bytes, and which change each message came from.

import type { NftChain, NftFamily, NftSet, NftStatement, NftTable } from "../../../l4/nftables/ruleset.ts";
import type { NftTableChange } from "../../nftables-tables.ts";
import { NLM_F_ACK, NLM_F_CREATE } from "../abi/netlink.ts";
import * as nft from "../abi/nf-tables.ts";
import {
	NFNL_MSG_BATCH_BEGIN,
	NFNL_MSG_BATCH_END,
	NFNL_SUBSYS_NFTABLES,
	NFPROTO_INET,
	NFPROTO_IPV4,
	NFPROTO_IPV6,
	NFPROTO_UNSPEC,
} from "../abi/nfnetlink.ts";
import { anonymousSet } from "./anonymous-sets.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { writeElements } from "./element-messages.ts";
import { writeRule } from "./rule-messages.ts";
import { writeSet } from "./set-messages.ts";

export interface EncodedTransaction {
	/** A view: valid until the writer's next batch. */
	readonly bytes: Buffer;
	/** By the message's sequence number less `firstSequence`; -1 where the batch begins and ends. */
	readonly changeOf: readonly number[];
	readonly firstSequence: number;
}

/** At the end of the chain (NLM_F_APPEND). */
const append = 0x800;

export const familyNumbers: Readonly<Record<NftFamily, number>> = {
	inet: NFPROTO_INET,
	ip: NFPROTO_IPV4,
	ip6: NFPROTO_IPV6,
};

/** The last change asks for an answer; others answer only when they are refused. */
export function encodeTransaction(
	writer: BatchWriter,
	changes: readonly NftTableChange[],
	firstSequence: number,
): EncodedTransaction {
	writer.clear();
	const changeOf: number[] = [];
	const batch = new Batch(writer, changeOf, firstSequence);
	batch.mark(NFNL_MSG_BATCH_BEGIN);
	for (const [index, change] of changes.entries()) {
		batch.change = index;
		batch.write(change);
	}
	if (changes.length > 0) writer.addFlags(NLM_F_ACK);
	batch.mark(NFNL_MSG_BATCH_END);
	return { bytes: writer.written(), changeOf, firstSequence };
}

class Batch {
	change = -1;
	readonly #writer: BatchWriter;
	readonly #changeOf: number[];
	readonly #firstSequence: number;
	#setId = 0;

	constructor(writer: BatchWriter, changeOf: number[], firstSequence: number) {
		this.#writer = writer;
		this.#changeOf = changeOf;
		this.#firstSequence = firstSequence;
	}

	mark(type: number): void {
		this.#changeOf.push(-1);
		const sequence = this.#firstSequence + this.#changeOf.length - 1;
		this.#writer.startMessage(type, 0, sequence, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
		this.#writer.endMessage();
	}

	write({ table, change }: NftTableChange): void {
		switch (change.type) {
			case "addTable":
				this.#message(table, nft.NFT_MSG_NEWTABLE, NLM_F_CREATE, (writer) => {
					writer.name(nft.NFTA_TABLE_NAME, table.name);
					writer.u32(nft.NFTA_TABLE_FLAGS, 0);
				});
				return;
			case "deleteTable":
				this.#message(table, nft.NFT_MSG_DELTABLE, 0, (writer) => writer.name(nft.NFTA_TABLE_NAME, table.name));
				return;
			case "addSet":
				this.#message(table, nft.NFT_MSG_NEWSET, NLM_F_CREATE, (writer) =>
					writeSet(writer, { table: table.name, set: change.set, id: ++this.#setId }),
				);
				return;
			case "deleteSet":
				this.#message(table, nft.NFT_MSG_DELSET, 0, (writer) => {
					writer.name(nft.NFTA_SET_TABLE, table.name);
					writer.name(nft.NFTA_SET_NAME, change.set);
				});
				return;
			case "addChain":
				this.#message(table, nft.NFT_MSG_NEWCHAIN, NLM_F_CREATE, (writer) =>
					writeChain(writer, table.name, change.chain),
				);
				return;
			case "deleteChain":
				this.#message(table, nft.NFT_MSG_DELCHAIN, 0, (writer) => {
					writer.name(nft.NFTA_CHAIN_TABLE, table.name);
					writer.name(nft.NFTA_CHAIN_NAME, change.chain);
				});
				return;
			case "flushChain":
				this.#message(table, nft.NFT_MSG_DELRULE, 0, (writer) => {
					writer.name(nft.NFTA_RULE_TABLE, table.name);
					writer.name(nft.NFTA_RULE_CHAIN, change.chain);
				});
				return;
			case "addRule":
				this.#addRule(table, change);
				return;
			case "addElements":
			case "deleteElements":
				this.#elements(table, change.set, undefined, change);
				return;
			default:
				change satisfies never;
		}
	}

	#addRule(table: NftTable, { chain, rule }: Extract<NftTableChange["change"], { type: "addRule" }>): void {
		const setIds = new Map<NftStatement, number>();
		for (const statement of rule.statements) {
			const own = anonymousSet(statement);
			if (!own) continue;
			const id = ++this.#setId;
			setIds.set(statement, id);
			this.#message(table, nft.NFT_MSG_NEWSET, NLM_F_CREATE, (writer) =>
				writeSet(writer, { table: table.name, set: own.set, id, anonymous: { size: own.elements.length } }),
			);
			this.#elements(table, own.set, id, { type: "addElements", elements: own.elements });
		}
		this.#message(table, nft.NFT_MSG_NEWRULE, NLM_F_CREATE | append, (writer) =>
			writeRule(writer, { family: table.family, table: table.name, chain, rule, setIds }),
		);
	}

	#elements(
		table: NftTable,
		set: NftSet,
		id: number | undefined,
		{ type, elements }: Pick<Extract<NftTableChange["change"], { elements: unknown }>, "type" | "elements">,
	): void {
		const writer = this.#writer;
		const remove = type === "deleteElements";
		writeElements(writer, {
			set,
			elements,
			remove,
			start: () => {
				this.#start(table, remove ? nft.NFT_MSG_DELSETELEM : nft.NFT_MSG_NEWSETELEM, remove ? 0 : NLM_F_CREATE);
				writer.name(nft.NFTA_SET_ELEM_LIST_TABLE, table.name);
				writer.name(nft.NFTA_SET_ELEM_LIST_SET, set.name);
				if (id !== undefined) writer.u32(nft.NFTA_SET_ELEM_LIST_SET_ID, id);
			},
		});
	}

	#message(table: NftTable, type: number, flags: number, write: (writer: BatchWriter) => void): void {
		this.#start(table, type, flags);
		write(this.#writer);
		this.#writer.endMessage();
	}

	#start(table: NftTable, type: number, flags: number): void {
		this.#changeOf.push(this.change);
		const sequence = this.#firstSequence + this.#changeOf.length - 1;
		this.#writer.startMessage((NFNL_SUBSYS_NFTABLES << 8) | type, flags, sequence, familyNumbers[table.family]);
	}
}

const hookNumbers = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 };

function writeChain(writer: BatchWriter, table: string, chain: NftChain): void {
	writer.name(nft.NFTA_CHAIN_TABLE, table);
	writer.name(nft.NFTA_CHAIN_NAME, chain.name);
	if (!chain.hook) return;
	writer.name(nft.NFTA_CHAIN_TYPE, chain.hook.type);
	const hook = writer.open(nft.NFTA_CHAIN_HOOK);
	writer.u32(nft.NFTA_HOOK_HOOKNUM, hookNumbers[chain.hook.hook]);
	writer.u32(nft.NFTA_HOOK_PRIORITY, chain.hook.priority);
	writer.close(hook);
}
