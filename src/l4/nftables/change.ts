// What a transaction does to one table, in order. The kernel takes all of it or nothing.

import type { NftChain, NftElement, NftRule, NftSet, NftTable } from "./ruleset.ts";

export interface NftTableChange {
	readonly table: NftTable;
	readonly change: NftChange;
}

export type NftChange =
	| { readonly type: "addTable" }
	| { readonly type: "deleteTable" }
	| { readonly type: "addSet"; readonly set: NftSet }
	| { readonly type: "deleteSet"; readonly set: string }
	| { readonly type: "addChain"; readonly chain: NftChain }
	/** All its rules leave. */
	| { readonly type: "flushChain"; readonly chain: string }
	| { readonly type: "deleteChain"; readonly chain: string }
	/** At the end of the chain. */
	| { readonly type: "addRule"; readonly chain: string; readonly rule: NftRule }
	| { readonly type: "addElements"; readonly set: NftSet; readonly elements: readonly NftElement[] }
	| { readonly type: "deleteElements"; readonly set: NftSet; readonly elements: readonly NftElement[] };
