// Tables of nftables that are ours alone: written in whole transactions, read back, watched for strangers' hands.
// linux/nftables does it by netlink, fake/ in memory.

import type { NftTableChange } from "../l4/nftables/change.ts";
import type { NftElement, NftSet, NftTable } from "../l4/nftables/ruleset.ts";
import type { Cancel } from "../runtime/clock.ts";
import type { Failure } from "./host-network.ts";

export interface NftablesTables {
	/** All or nothing; the tables of both families may change in one transaction. */
	apply(changes: readonly NftTableChange[]): Written;
	/** Whether it is there, and everything of it that a restart must know; undefined when it is not there. */
	read(table: NftTable): TableContents | undefined;
	/** Elements that are in the set now, also those that packets put there. */
	elements(table: NftTable, set: NftSet): readonly NftElement[];
	/** Somebody else changed or removed one of these tables. */
	watch(tables: readonly NftTable[], onForeignChange: (what: string) => void): Cancel;
	close(): void;
}

export type { NftTableChange };

export type Written = { readonly ok: true; readonly bytes: number; readonly tookMs: number } | Failure;

export interface TableContents {
	readonly chains: readonly { readonly name: string; readonly rules: number }[];
	readonly sets: readonly string[];
}
