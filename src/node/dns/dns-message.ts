// DNS messages, RFC 1035 section 4 and EDNS0 (RFC 6891). In: bytes from anybody. Out: a message, or why it is none; and back
// to bytes of a bounded size. Names keep their letters' case, since an answer repeats the question as it was asked.

/** Labels as they came, one character for each byte; empty: the root. */
export type DnsName = readonly string[];

export interface DnsQuestion {
	readonly name: DnsName;
	readonly type: number;
	readonly class: number;
}

export interface DnsRecord {
	readonly name: DnsName;
	readonly type: number;
	readonly class: number;
	readonly ttlSeconds: number;
	/** Raw; compressed names inside point into the message they came from. */
	readonly data: Uint8Array;
}

export interface DnsHeader {
	readonly id: number;
	readonly isResponse: boolean;
	readonly opcode: number;
	readonly authoritative: boolean;
	readonly truncated: boolean;
	readonly recursionDesired: boolean;
	readonly recursionAvailable: boolean;
	readonly rcode: number;
}

export interface DnsMessage extends DnsHeader {
	readonly questions: readonly DnsQuestion[];
	readonly answers: readonly DnsRecord[];
	readonly authorities: readonly DnsRecord[];
	readonly additionals: readonly DnsRecord[];
}

export type DecodedDns =
	| { readonly ok: true; readonly message: DnsMessage }
	/** `header` is there when at least that could be read, so that FORMERR can be answered. */
	| { readonly ok: false; readonly because: string; readonly header?: DnsHeader };

export const dnsTypes = { a: 1, soa: 6, aaaa: 28, opt: 41, any: 255 } as const;
export const dnsClassIn = 1;
export const rcodes = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;

const headerBytes = 12;
const maxNameBytes = 255;
/** More records than this in one message are not ours to read. */
const maxRecords = 512;

export function decodeDns(bytes: Uint8Array): DecodedDns {
	if (bytes.length < headerBytes) return { ok: false, because: "shorter than a header" };
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const header = decodeHeader(view);
	const counts = [4, 6, 8, 10].map((at) => view.getUint16(at));
	if (counts.reduce((sum, count) => sum + count, 0) > maxRecords)
		return { ok: false, because: "too many records", header };
	try {
		const reader = new Reader(bytes, view);
		const [questionCount = 0, answerCount = 0, authorityCount = 0, additionalCount = 0] = counts;
		const questions = times(questionCount, () => reader.question());
		const answers = times(answerCount, () => reader.record());
		const authorities = times(authorityCount, () => reader.record());
		const additionals = times(additionalCount, () => reader.record());
		return { ok: true, message: { ...header, questions, answers, authorities, additionals } };
	} catch (error) {
		if (!(error instanceof Malformed)) throw error;
		return { ok: false, because: error.message, header };
	}
}

/** When it does not fit, records are left out from the end and the truncated flag is set; an OPT record always stays. */
export function encodeDns(message: DnsMessage, maxBytes = 65_535): Uint8Array {
	const kept = {
		answers: [...message.answers],
		authorities: [...message.authorities],
		additionals: [...message.additionals],
	};
	let truncated = message.truncated;
	for (;;) {
		const bytes = encodeWhole({ ...message, ...kept, truncated });
		if (bytes.length <= maxBytes) return bytes;
		const optional = kept.additionals.findLastIndex((record) => record.type !== dnsTypes.opt);
		if (optional >= 0) kept.additionals.splice(optional, 1);
		else if (kept.authorities.length > 0) kept.authorities.pop();
		else if (kept.answers.length > 0) {
			kept.answers.length = Math.floor(kept.answers.length / 2);
			truncated = true;
		} else return bytes;
	}
}

/** For comparison: lower case, joined by dots, without a final dot. A dot inside a label is escaped and so matches nothing. */
export function nameKey(name: DnsName): string {
	return name.map((label) => label.replace(/[\\.]/g, "\\$&").replace(/[A-Z]/g, (c) => c.toLowerCase())).join(".");
}

/** `reviews.default` -> labels. */
export function nameFromText(text: string): DnsName {
	return text
		.replace(/\.$/, "")
		.split(".")
		.filter((label) => label !== "");
}

export function encodeName(name: DnsName): Uint8Array {
	const bytes: number[] = [];
	for (const label of name) {
		bytes.push(label.length);
		for (let i = 0; i < label.length; i++) bytes.push(label.charCodeAt(i) & 0xff);
	}
	bytes.push(0);
	return Uint8Array.from(bytes);
}

/** `10.1.0.5` or `fd00::5` -> record data of A or AAAA; undefined when it is neither. */
export function addressData(ip: string): { readonly type: number; readonly data: Uint8Array } | undefined {
	if (/^\d+\.\d+\.\d+\.\d+$/.test(ip)) {
		const parts = ip.split(".").map(Number);
		return parts.every((part) => part <= 255) ? { type: dnsTypes.a, data: Uint8Array.from(parts) } : undefined;
	}
	const data = ipv6Bytes(ip);
	return data ? { type: dnsTypes.aaaa, data } : undefined;
}

class Malformed extends Error {}

function times<Item>(count: number, make: () => Item): readonly Item[] {
	const items: Item[] = [];
	for (let i = 0; i < count; i++) items.push(make());
	return items;
}

function decodeHeader(view: DataView): DnsHeader {
	const flags = view.getUint16(2);
	return {
		id: view.getUint16(0),
		isResponse: (flags & 0x8000) !== 0,
		opcode: (flags >> 11) & 0xf,
		authoritative: (flags & 0x0400) !== 0,
		truncated: (flags & 0x0200) !== 0,
		recursionDesired: (flags & 0x0100) !== 0,
		recursionAvailable: (flags & 0x0080) !== 0,
		rcode: flags & 0xf,
	};
}

class Reader {
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	#at = headerBytes;

	constructor(bytes: Uint8Array, view: DataView) {
		this.#bytes = bytes;
		this.#view = view;
	}

	question(): DnsQuestion {
		const name = this.#name();
		return { name, type: this.#uint16(), class: this.#uint16() };
	}

	record(): DnsRecord {
		const name = this.#name();
		const type = this.#uint16();
		const recordClass = this.#uint16();
		const ttlSeconds = this.#uint16() * 65_536 + this.#uint16();
		const length = this.#uint16();
		if (this.#at + length > this.#bytes.length) throw new Malformed("record data is cut off");
		const data = this.#bytes.slice(this.#at, this.#at + length);
		this.#at += length;
		return { name, type, class: recordClass, ttlSeconds, data };
	}

	#uint16(): number {
		if (this.#at + 2 > this.#bytes.length) throw new Malformed("cut off");
		const value = this.#view.getUint16(this.#at);
		this.#at += 2;
		return value;
	}

	#name(): DnsName {
		const labels: string[] = [];
		let at = this.#at;
		let end: number | undefined;
		let total = 1;
		for (;;) {
			const length = this.#bytes[at];
			if (length === undefined) throw new Malformed("a name is cut off");
			if (length === 0) {
				this.#at = end ?? at + 1;
				return labels;
			}
			if ((length & 0xc0) === 0xc0) {
				const low = this.#bytes[at + 1];
				if (low === undefined) throw new Malformed("a pointer is cut off");
				const target = ((length & 0x3f) << 8) | low;
				// Pointers go back only, so that they can never run in a circle.
				if (target >= at) throw new Malformed("a pointer does not point back");
				end ??= at + 2;
				at = target;
				continue;
			}
			if ((length & 0xc0) !== 0) throw new Malformed("unknown kind of label");
			total += length + 1;
			if (total > maxNameBytes) throw new Malformed("a name is longer than 255 bytes");
			if (at + 1 + length > this.#bytes.length) throw new Malformed("a label is cut off");
			labels.push(String.fromCharCode(...this.#bytes.subarray(at + 1, at + 1 + length)));
			at += 1 + length;
		}
	}
}

function encodeWhole(message: DnsMessage): Uint8Array {
	const parts: Uint8Array[] = [];
	const head = new DataView(new ArrayBuffer(headerBytes));
	head.setUint16(0, message.id);
	head.setUint16(
		2,
		(message.isResponse ? 0x8000 : 0) |
			(message.opcode << 11) |
			(message.authoritative ? 0x0400 : 0) |
			(message.truncated ? 0x0200 : 0) |
			(message.recursionDesired ? 0x0100 : 0) |
			(message.recursionAvailable ? 0x0080 : 0) |
			message.rcode,
	);
	head.setUint16(4, message.questions.length);
	head.setUint16(6, message.answers.length);
	head.setUint16(8, message.authorities.length);
	head.setUint16(10, message.additionals.length);
	parts.push(new Uint8Array(head.buffer));
	for (const question of message.questions)
		parts.push(encodeName(question.name), uint16s(question.type, question.class));
	// The first question stands right behind the header: owners of that name become pointers to it.
	const asked = message.questions[0] ? nameKey(message.questions[0].name) : undefined;
	for (const record of [...message.answers, ...message.authorities, ...message.additionals]) {
		const repeats = record.name.length > 0 && nameKey(record.name) === asked;
		parts.push(
			repeats ? Uint8Array.of(0xc0, headerBytes) : encodeName(record.name),
			uint16s(record.type, record.class, record.ttlSeconds >>> 16, record.ttlSeconds & 0xffff, record.data.length),
			record.data,
		);
	}
	const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
	let at = 0;
	for (const part of parts) {
		bytes.set(part, at);
		at += part.length;
	}
	return bytes;
}

function uint16s(...values: readonly number[]): Uint8Array {
	return Uint8Array.from(values.flatMap((value) => [(value >> 8) & 0xff, value & 0xff]));
}

function ipv6Bytes(ip: string): Uint8Array | undefined {
	const halves = ip.split("::");
	if (halves.length > 2 || !/^[0-9a-fA-F:.]+$/.test(ip)) return undefined;
	const groupsOf = (half: string): readonly string[] => (half === "" ? [] : half.split(":"));
	const bytesOf = (half: string): readonly number[] | undefined => {
		const bytes: number[] = [];
		for (const group of groupsOf(half)) {
			if (group.includes(".")) bytes.push(...group.split(".").map(Number));
			else if (/^[0-9a-fA-F]{1,4}$/.test(group))
				bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
			else return undefined;
		}
		return bytes;
	};
	const front = bytesOf(halves[0] ?? "");
	const back = bytesOf(halves[1] ?? "");
	if (!front || !back) return undefined;
	const missing = 16 - front.length - back.length;
	if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
	return Uint8Array.from([...front, ...new Array<number>(missing).fill(0), ...back]);
}
