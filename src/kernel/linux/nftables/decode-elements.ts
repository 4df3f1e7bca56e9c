// Elements out of the kernel's messages. In: the body of NEWSETELEM, the set. Out: elements as values; ranges of single values
// come as two elements each, their starts and ends, and are put together at the end.

import type { NftElement, NftSet, NftValue, NftVerdict } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import { nfgenmsgBytes } from "../abi/nfnetlink.ts";
import { forEachAttribute } from "../netlink-message.ts";
import { paddedWidth, readValues, widthOf } from "./value-bytes.ts";
import { predecessor, rangeText } from "./value-ranges.ts";

interface Place {
	readonly start: number;
	readonly end: number;
}

interface Boundary {
	readonly bytes: Buffer;
	readonly isEnd: boolean;
	readonly data: NftElement["data"];
}

/** Takes the messages of one dump. */
export class ElementDecoder {
	readonly #set: NftSet;
	#elements: NftElement[] = [];
	#boundaries: Boundary[] = [];

	constructor(set: NftSet) {
		this.#set = set;
	}

	restart(): void {
		this.#elements = [];
		this.#boundaries = [];
	}

	add(body: Buffer): void {
		forEachAttribute(body, nfgenmsgBytes, body.length, (type, start, end) => {
			if (type !== nft.NFTA_SET_ELEM_LIST_ELEMENTS) return;
			forEachAttribute(body, start, end, (_, from, to) => this.#addElement(body, from, to));
		});
	}

	elements(): readonly NftElement[] {
		return this.#boundaries.length === 0 ? this.#elements : [...this.#elements, ...this.#ranges()];
	}

	#addElement(body: Buffer, start: number, end: number): void {
		let key: Place | undefined;
		let keyEnd: Place | undefined;
		let data: NftElement["data"];
		let flags = 0;
		let remainingMs: number | undefined;
		forEachAttribute(body, start, end, (type, from, to) => {
			if (type === nft.NFTA_SET_ELEM_KEY) key = { start: from + 4, end: to };
			else if (type === nft.NFTA_SET_ELEM_KEY_END) keyEnd = { start: from + 4, end: to };
			else if (type === nft.NFTA_SET_ELEM_FLAGS) flags = body.readUInt32BE(from);
			else if (type === nft.NFTA_SET_ELEM_EXPIRATION) remainingMs = Number(body.readBigUInt64BE(from));
			else if (type === nft.NFTA_SET_ELEM_DATA) data = this.#data(body, from, to);
		});
		if (!key) return;
		const set = this.#set;
		if (set.interval && set.key.length === 1) {
			const bytes = Buffer.from(body.subarray(key.start, key.start + widthOf(set.key[0] ?? "slot")));
			this.#boundaries.push({ bytes, isEnd: (flags & nft.NFT_SET_ELEM_INTERVAL_END) !== 0, data });
			return;
		}
		const values = keyEnd ? this.#rangeValues(body, key, keyEnd) : readValues(body, set.key, key.start);
		this.#elements.push({
			key: values,
			...(data === undefined ? {} : { data }),
			...(remainingMs === undefined ? {} : { remainingMs }),
		});
	}

	#rangeValues(body: Buffer, key: Place, keyEnd: Place): readonly NftValue[] {
		let at = 0;
		return this.#set.key.map((type) => {
			const width = widthOf(type);
			const first = body.subarray(key.start + at, key.start + at + width);
			const last = body.subarray(keyEnd.start + at, keyEnd.start + at + width);
			at += paddedWidth(type);
			return rangeText(type, first, last);
		});
	}

	#data(body: Buffer, start: number, end: number): NftElement["data"] {
		const types = this.#set.data;
		let data: NftElement["data"];
		forEachAttribute(body, start, end, (type, from, to) => {
			if (type === nft.NFTA_DATA_VERDICT) data = decodeVerdict(body, from, to);
			else if (type === nft.NFTA_DATA_VALUE && types && types !== "verdict") data = readValues(body, types, from);
		});
		return data;
	}

	/** An end is one more than the last value. A start without an end goes to the highest value. */
	#ranges(): readonly NftElement[] {
		const type = this.#set.key[0] ?? "slot";
		// Where one range ends and the next one starts, the end is first.
		const sorted = this.#boundaries.toSorted((a, b) => a.bytes.compare(b.bytes) || Number(b.isEnd) - Number(a.isEnd));
		const elements: NftElement[] = [];
		for (const [index, { bytes, isEnd, data }] of sorted.entries()) {
			if (isEnd) continue;
			const next = sorted[index + 1];
			const last = next ? predecessor(next.bytes) : Buffer.alloc(bytes.length, 0xff);
			const key = [rangeText(type, bytes, last)];
			elements.push(data === undefined ? { key } : { key, data });
		}
		return elements;
	}
}

function decodeVerdict(body: Buffer, start: number, end: number): NftVerdict | undefined {
	let code = 0;
	let chain = "";
	forEachAttribute(body, start, end, (type, from, to) => {
		if (type === nft.NFTA_VERDICT_CODE) code = body.readInt32BE(from);
		else if (type === nft.NFTA_VERDICT_CHAIN) chain = body.toString("latin1", from, to - 1);
	});
	switch (code) {
		case nft.NF_DROP:
			return { type: "drop" };
		case nft.NF_ACCEPT:
			return { type: "accept" };
		case nft.NFT_RETURN:
			return { type: "return" };
		case nft.NFT_JUMP:
			return { type: "jump", chain };
		case nft.NFT_GOTO:
			return { type: "goto", chain };
		default:
			return undefined;
	}
}
