// Sets and maps as messages. In: a set. Out: the attributes of NEWSET, as nft 1.0.6 writes them.

import type { NftSet } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { setUserData, typeNumber } from "./type-description.ts";
import { keyLength, widthOf } from "./value-bytes.ts";

export interface SetOrder {
	readonly table: string;
	readonly set: NftSet;
	/** By which rules of the same transaction may refer to it. */
	readonly id: number;
	/** Of one rule alone, with that many elements: `{ tcp, udp }`. */
	readonly anonymous?: { readonly size: number };
}

export function writeSet(writer: BatchWriter, { table, set, id, anonymous }: SetOrder): void {
	const { dynamic, data } = set;
	writer.name(nft.NFTA_SET_TABLE, table);
	writer.name(nft.NFTA_SET_NAME, set.name);
	writer.u32(nft.NFTA_SET_FLAGS, setFlags(set) | (anonymous ? nft.NFT_SET_ANONYMOUS | nft.NFT_SET_CONSTANT : 0));
	writer.u32(nft.NFTA_SET_KEY_TYPE, typeNumber(set.key));
	writer.u32(nft.NFTA_SET_KEY_LEN, keyLength(set.key));
	if (data) {
		writer.u32(nft.NFTA_SET_DATA_TYPE, data === "verdict" ? nft.NFT_DATA_VERDICT : typeNumber(data));
		writer.u32(nft.NFTA_SET_DATA_LEN, data === "verdict" ? 0 : keyLength(data));
	}
	writer.u32(nft.NFTA_SET_ID, id);
	writeDescription(writer, set, anonymous?.size ?? dynamic?.size);
	if (dynamic) writer.u64(nft.NFTA_SET_TIMEOUT, BigInt(Math.round(dynamic.timeoutSec * 1000)));
	writer.bytes(nft.NFTA_SET_USERDATA, setUserData(set));
}

function setFlags(set: NftSet): number {
	let flags = 0;
	if (set.interval) flags |= nft.NFT_SET_INTERVAL;
	if (set.interval && set.key.length > 1) flags |= nft.NFT_SET_CONCAT;
	if (set.data) flags |= nft.NFT_SET_MAP;
	if (set.dynamic) flags |= nft.NFT_SET_TIMEOUT | nft.NFT_SET_EVAL;
	return flags;
}

/** Ranges of concatenations are found part by part: the kernel must know the parts. */
function writeDescription(writer: BatchWriter, set: NftSet, size: number | undefined): void {
	const parts = set.interval && set.key.length > 1;
	if (!parts && size === undefined) return;
	const description = writer.open(nft.NFTA_SET_DESC);
	if (size !== undefined) writer.u32(nft.NFTA_SET_DESC_SIZE, size);
	if (parts) {
		const fields = writer.open(nft.NFTA_SET_DESC_CONCAT);
		for (const type of set.key) {
			const part = writer.open(nft.NFTA_LIST_ELEM);
			writer.u32(nft.NFTA_SET_FIELD_LEN, widthOf(type));
			writer.close(part);
		}
		writer.close(fields);
	}
	writer.close(description);
}
