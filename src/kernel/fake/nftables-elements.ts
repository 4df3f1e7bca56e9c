// Elements of one set, in memory. In: elements to add and to take away. Out: how to take that back, or undefined where the kernel
// refuses: the same key with other data, an overlap, an element that is not there.

import type { NftElement, NftSet } from "../../l4/nftables/ruleset.ts";
import { keyLength, writeValues } from "../linux/nftables/value-bytes.ts";
import { byteRange, rangeText } from "../linux/nftables/value-ranges.ts";

interface Stored {
	readonly element: NftElement;
	/** For each part of the key; empty where the set has no ranges. */
	readonly ranges: readonly { readonly first: Buffer; readonly last: Buffer }[];
}

export class ElementStore {
	readonly set: NftSet;
	readonly #stored = new Map<string, Stored>();

	constructor(set: NftSet) {
		this.set = set;
	}

	get size(): number {
		return this.#stored.size;
	}

	elements(): readonly NftElement[] {
		return [...this.#stored.values()].map(({ element }) => element);
	}

	some(isSo: (element: NftElement) => boolean): boolean {
		for (const { element } of this.#stored.values()) if (isSo(element)) return true;
		return false;
	}

	add(element: NftElement): (() => void) | undefined {
		const id = this.#idOf(element);
		const same = this.#stored.get(id);
		if (same) return sameData(this.set, same.element, element) ? () => {} : undefined;
		const ranges = this.#rangesOf(element);
		if (this.set.interval && this.#overlapping(ranges)) return undefined;
		this.#stored.set(id, { element: this.#readBack(element, ranges), ranges });
		return () => this.#stored.delete(id);
	}

	delete(element: NftElement): (() => void) | undefined {
		const id = this.#found(element);
		const stored = id === undefined ? undefined : this.#stored.get(id);
		if (id === undefined || !stored) return undefined;
		this.#stored.delete(id);
		return () => this.#stored.set(id, stored);
	}

	/** In a concatenation of ranges the kernel looks only where the given one starts. */
	#found(element: NftElement): string | undefined {
		const id = this.#idOf(element);
		if (this.#stored.has(id) || !this.set.interval || this.set.key.length === 1) return id;
		const starts = this.#rangesOf(element).map(({ first }) => first);
		for (const [other, { ranges }] of this.#stored) if (contains(ranges, starts)) return other;
		return undefined;
	}

	/** Single ranges never overlap; concatenations are refused where one's start or end lies in the other. */
	#overlapping(ranges: Stored["ranges"]): boolean {
		const starts = ranges.map(({ first }) => first);
		const ends = ranges.map(({ last }) => last);
		for (const { ranges: others } of this.#stored.values()) {
			if (contains(others, starts) || contains(others, ends)) return true;
			if (
				this.set.key.length === 1 &&
				contains(
					ranges,
					others.map(({ first }) => first),
				)
			)
				return true;
		}
		return false;
	}

	#idOf(element: NftElement): string {
		if (this.set.interval)
			return this.#rangesOf(element)
				.map(({ first, last }) => `${first.toString("hex")}-${last.toString("hex")}`)
				.join(".");
		const bytes = Buffer.alloc(keyLength(this.set.key));
		writeValues(bytes, 0, this.set.key, element.key);
		return bytes.toString("latin1");
	}

	/** Ranges come back as short as they go. */
	#readBack(element: NftElement, ranges: Stored["ranges"]): NftElement {
		if (!this.set.interval) return element;
		const key = this.set.key.map((type, index) => {
			const { first, last } = ranges[index] ?? byteRange(type, 0);
			return rangeText(type, first, last);
		});
		return { ...element, key };
	}

	#rangesOf(element: NftElement): Stored["ranges"] {
		if (!this.set.interval) return [];
		return this.set.key.map((type, index) => byteRange(type, element.key[index] ?? ""));
	}
}

function contains(ranges: Stored["ranges"], point: readonly Buffer[]): boolean {
	return ranges.every(({ first, last }, index) => {
		const part = point[index];
		return part !== undefined && first.compare(part) <= 0 && part.compare(last) <= 0;
	});
}

function sameData(set: NftSet, a: NftElement, b: NftElement): boolean {
	const { data: had } = a;
	const { data: given } = b;
	if (!Array.isArray(set.data)) return JSON.stringify(had) === JSON.stringify(given);
	if (!Array.isArray(had) || !Array.isArray(given)) return had === given;
	const types = set.data;
	const [first, second] = [had, given].map((values) => {
		const bytes = Buffer.alloc(keyLength(types));
		writeValues(bytes, 0, types, values);
		return bytes;
	});
	return first !== undefined && second !== undefined && first.equals(second);
}
