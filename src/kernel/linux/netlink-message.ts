// Netlink messages as bytes: a header, a fixed structure, attributes that may hold attributes (netlink(7), rtnetlink(7)).

import { NLA_F_NESTED, NLA_TYPE_MASK, nlmsghdrBytes } from "./abi/netlink.ts";

export interface NetlinkMessage {
	readonly type: number;
	readonly flags: number;
	readonly sequence: number;
	/** After the header. A view: valid until the next receive. */
	readonly body: Buffer;
}

/** Builds one message after another in the same memory. Numbers are little-endian, as both machines are. */
export class NetlinkWriter {
	readonly #bytes = Buffer.alloc(4096);
	#length = 0;

	/** Starts a message; `fixedBytes` zeroed bytes follow the header and are returned to be filled. */
	start(type: number, flags: number, fixedBytes: number): Buffer {
		this.#length = nlmsghdrBytes + fixedBytes;
		this.#bytes.fill(0, 0, this.#length);
		this.#bytes.writeUInt16LE(type, 4);
		this.#bytes.writeUInt16LE(flags, 6);
		return this.#bytes.subarray(nlmsghdrBytes, this.#length);
	}

	attribute(type: number, value: Uint8Array): this {
		const start = this.#length;
		this.#header(type, 4 + value.length);
		this.#bytes.set(value, start + 4);
		this.#length = start + aligned(4 + value.length);
		this.#bytes.fill(0, start + 4 + value.length, this.#length);
		return this;
	}

	u8(type: number, value: number): this {
		return this.attribute(type, Uint8Array.of(value));
	}

	u32(type: number, value: number): this {
		const start = this.#length;
		this.#header(type, 8);
		this.#bytes.writeUInt32LE(value >>> 0, start + 4);
		this.#length = start + 8;
		return this;
	}

	text(type: number, value: string): this {
		return this.attribute(type, Buffer.from(`${value}\0`));
	}

	nested(type: number, write: () => void): this {
		const start = this.#length;
		this.#header(type | NLA_F_NESTED, 4);
		this.#length += 4;
		write();
		this.#bytes.writeUInt16LE(this.#length - start, start);
		return this;
	}

	/** The message. A view: valid until the next `start`. */
	finish(sequence: number): Buffer {
		this.#bytes.writeUInt32LE(this.#length, 0);
		this.#bytes.writeUInt32LE(sequence, 8);
		return this.#bytes.subarray(0, this.#length);
	}

	#header(type: number, length: number): void {
		this.#bytes.writeUInt16LE(length, this.#length);
		this.#bytes.writeUInt16LE(type, this.#length + 2);
	}
}

/** The messages of one receive. Stops at bytes that are no message. */
export function* messagesIn(bytes: Buffer): Generator<NetlinkMessage> {
	let offset = 0;
	while (offset + nlmsghdrBytes <= bytes.length) {
		const length = bytes.readUInt32LE(offset);
		if (length < nlmsghdrBytes || offset + length > bytes.length) return;
		yield {
			type: bytes.readUInt16LE(offset + 4),
			flags: bytes.readUInt16LE(offset + 6),
			sequence: bytes.readUInt32LE(offset + 8),
			body: bytes.subarray(offset + nlmsghdrBytes, offset + length),
		};
		offset += aligned(length);
	}
}

/** By type; the last of a type counts. */
export function attributesIn(bytes: Buffer): ReadonlyMap<number, Buffer> {
	const attributes = new Map<number, Buffer>();
	let offset = 0;
	while (offset + 4 <= bytes.length) {
		const length = bytes.readUInt16LE(offset);
		if (length < 4 || offset + length > bytes.length) break;
		attributes.set(bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK, bytes.subarray(offset + 4, offset + length));
		offset += aligned(length);
	}
	return attributes;
}

/** The same without garbage, for many messages: each attribute's type, and where its value is. Stops at bytes that are none. */
export function forEachAttribute(
	bytes: Buffer,
	start: number,
	end: number,
	visit: (type: number, start: number, end: number) => void,
): void {
	let at = start;
	while (at + 4 <= end) {
		const length = bytes.readUInt16LE(at);
		if (length < 4 || at + length > end) return;
		visit(bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, at + 4, at + length);
		at += aligned(length);
	}
}

/** Text of an attribute, which ends with a zero byte. */
export function textOf(attribute: Buffer | undefined): string | undefined {
	return attribute?.toString("utf8").replace(/\0.*$/s, "");
}

const aligned = (length: number): number => (length + 3) & ~3;
