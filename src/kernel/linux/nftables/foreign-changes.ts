// Who else changed our tables. In: the kernel's messages of what changed (NFNLGRP_NFTABLES), in any portions. Out: a sentence for
// each transaction that touched a table which is watched. Changes of other tables cost a comparison of names each.

import type { NftTable } from "../../../l4/nftables/ruleset.ts";
import { nlmsghdrBytes } from "../abi/netlink.ts";
import * as nft from "../abi/nf-tables.ts";
import { NFNL_SUBSYS_NFTABLES, nfgenmsgBytes } from "../abi/nfnetlink.ts";
import { attributesIn, textOf } from "../netlink-message.ts";
import { familyNumbers } from "./encode-transaction.ts";

interface WatchedTable {
	readonly text: string;
	readonly family: number;
	/** With the zero byte that ends it. */
	readonly name: Buffer;
}

const kinds: Readonly<Record<number, string>> = {
	[nft.NFT_MSG_NEWTABLE]: "the table was changed",
	[nft.NFT_MSG_DELTABLE]: "the table was deleted",
	[nft.NFT_MSG_NEWCHAIN]: "a chain was added",
	[nft.NFT_MSG_DELCHAIN]: "a chain was deleted",
	[nft.NFT_MSG_NEWRULE]: "a rule was added",
	[nft.NFT_MSG_DELRULE]: "a rule was deleted",
	[nft.NFT_MSG_NEWSET]: "a set was added",
	[nft.NFT_MSG_DELSET]: "a set was deleted",
	[nft.NFT_MSG_NEWSETELEM]: "elements were added",
	[nft.NFT_MSG_DELSETELEM]: "elements were deleted",
};

export class ForeignChanges {
	readonly #tables: readonly WatchedTable[];
	readonly #ownPort: number;
	readonly #onChange: (what: string) => void;
	/** Of the transaction whose messages are coming. */
	#seen = new Map<WatchedTable, Set<string>>();

	constructor(tables: readonly NftTable[], ownPort: number, onChange: (what: string) => void) {
		this.#tables = tables.map(({ family, name }) => ({
			text: `table ${family} ${name}`,
			family: familyNumbers[family],
			name: Buffer.from(`${name}\0`),
		}));
		this.#ownPort = ownPort;
		this.#onChange = onChange;
	}

	/** One receive: whole messages. */
	add(bytes: Buffer): void {
		let at = 0;
		while (at + nlmsghdrBytes + nfgenmsgBytes <= bytes.length) {
			const length = bytes.readUInt32LE(at);
			if (length < nlmsghdrBytes || at + length > bytes.length) return;
			const type = bytes.readUInt16LE(at + 4);
			if (type >> 8 === NFNL_SUBSYS_NFTABLES && bytes.readUInt32LE(at + 12) !== this.#ownPort)
				this.#addMessage(bytes, type & 0xff, at + nlmsghdrBytes, at + length);
			at += (length + 3) & ~3;
		}
	}

	#addMessage(bytes: Buffer, kind: number, start: number, end: number): void {
		if (kind === nft.NFT_MSG_NEWGEN) {
			if (this.#seen.size > 0) this.#report(bytes.subarray(start + nfgenmsgBytes, end));
			return;
		}
		const family = bytes[start];
		const name = start + nfgenmsgBytes + 4;
		for (const table of this.#tables) {
			const nameEnd = name + table.name.length;
			if (table.family !== family || nameEnd > end || table.name.compare(bytes, name, nameEnd) !== 0) continue;
			const seen = this.#seen.get(table);
			const what = kinds[kind] ?? "something was changed";
			if (seen) seen.add(what);
			else this.#seen.set(table, new Set([what]));
		}
	}

	/** The end of a transaction tells whose it was. */
	#report(generation: Buffer): void {
		const attributes = attributesIn(generation);
		const process = attributes.get(nft.NFTA_GEN_PROC_PID)?.readUInt32BE(0);
		const program = textOf(attributes.get(nft.NFTA_GEN_PROC_NAME));
		const by = program ? `, by ${program} (process ${process})` : "";
		const seen = this.#seen;
		this.#seen = new Map();
		for (const [table, kindsSeen] of seen) this.#onChange(`${table.text}: ${[...kindsSeen].join(", ")}${by}`);
	}
}
