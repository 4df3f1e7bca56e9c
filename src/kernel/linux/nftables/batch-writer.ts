// Many netlink messages one after another in one piece of memory that grows: a transaction of nftables is one such piece.
// In: messages and attributes, in order. Out: bytes to send at once. Numbers inside attributes are in network order.

import { NLA_F_NESTED, NLM_F_REQUEST, nlmsghdrBytes } from "../abi/netlink.ts";
import { nfgenmsgBytes } from "../abi/nfnetlink.ts";

/** Memory above this is given back after a batch. */
const keptBytes = 1 << 20;
const usualBytes = 65_536;

export class BatchWriter {
	#bytes: Buffer;
	#length = 0;
	#message = 0;

	constructor(firstBytes = usualBytes) {
		this.#bytes = Buffer.alloc(firstBytes);
	}

	/** Where the next byte goes. */
	get length(): number {
		return this.#length;
	}

	/** All that was written. A view: valid until the next write. */
	written(): Buffer {
		return this.#bytes.subarray(0, this.#length);
	}

	/** Forgets what was written. */
	clear(): void {
		if (this.#bytes.length > keptBytes) this.#bytes = Buffer.alloc(usualBytes);
		this.#length = 0;
	}

	/** `resource` is the subsystem where a batch begins and ends, else 0. */
	startMessage(type: number, flags: number, sequence: number, family: number, resource = 0): void {
		this.reserve(nlmsghdrBytes + nfgenmsgBytes);
		const bytes = this.#bytes;
		const start = this.#length;
		this.#message = start;
		bytes.fill(0, start, start + nlmsghdrBytes + nfgenmsgBytes);
		bytes.writeUInt16LE(type, start + 4);
		bytes.writeUInt16LE(flags | NLM_F_REQUEST, start + 6);
		bytes.writeUInt32LE(sequence >>> 0, start + 8);
		bytes[start + 16] = family;
		bytes.writeUInt16BE(resource, start + 18);
		this.#length = start + nlmsghdrBytes + nfgenmsgBytes;
	}

	endMessage(): void {
		this.#bytes.writeUInt32LE(this.#length - this.#message, this.#message);
	}

	/** To the flags of the message that was started last. */
	addFlags(flags: number): void {
		this.#bytes.writeUInt16LE(this.#bytes.readUInt16LE(this.#message + 6) | flags, this.#message + 6);
	}

	/** Returns what `close` takes. */
	open(type: number): number {
		this.reserve(4);
		const start = this.#length;
		const bytes = this.#bytes;
		bytes[start + 2] = type & 0xff;
		bytes[start + 3] = (type | NLA_F_NESTED) >>> 8;
		this.#length = start + 4;
		return start;
	}

	close(opened: number): void {
		const length = this.#length - opened;
		this.#bytes[opened] = length & 0xff;
		this.#bytes[opened + 1] = length >>> 8;
	}

	u32(type: number, value: number): void {
		this.reserve(8);
		const bytes = this.#bytes;
		const start = this.#length;
		bytes[start] = 8;
		bytes[start + 1] = 0;
		bytes[start + 2] = type;
		bytes[start + 3] = 0;
		bytes[start + 4] = value >>> 24;
		bytes[start + 5] = value >>> 16;
		bytes[start + 6] = value >>> 8;
		bytes[start + 7] = value;
		this.#length = start + 8;
	}

	u64(type: number, value: bigint): void {
		const at = this.value(type, 8);
		this.#bytes.writeBigUInt64BE(value, at);
	}

	/** Text without the characters that need two bytes, and a zero byte. */
	name(type: number, text: string): void {
		const at = this.value(type, text.length + 1);
		const bytes = this.#bytes;
		for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index);
	}

	bytes(type: number, value: Uint8Array): void {
		const at = this.value(type, value.length);
		this.#bytes.set(value, at);
	}

	/** Makes an attribute of zeros and returns where its value begins, for `memory()` to be filled there. */
	value(type: number, length: number): number {
		const padded = (length + 3) & ~3;
		this.reserve(4 + padded);
		const bytes = this.#bytes;
		const start = this.#length;
		const whole = 4 + length;
		bytes[start] = whole & 0xff;
		bytes[start + 1] = whole >>> 8;
		bytes[start + 2] = type;
		bytes[start + 3] = 0;
		const end = start + 4 + padded;
		for (let index = start + 4; index < end; index++) bytes[index] = 0;
		this.#length = end;
		return start + 4;
	}

	/** Valid until the next write. */
	memory(): Buffer {
		return this.#bytes;
	}

	reserve(more: number): void {
		if (this.#length + more <= this.#bytes.length) return;
		const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + more));
		larger.set(this.#bytes.subarray(0, this.#length));
		this.#bytes = larger;
	}
}
