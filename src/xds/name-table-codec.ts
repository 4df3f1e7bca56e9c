// Istio's NameTable (istio.networking.nds.v1): the names that a DNS server beside the proxies answers. Its descriptor is not in
// Envoy's binary, so it is coded here by hand. In and out: protobuf bytes.
//   NameTable { map<string, NameInfo> table = 1 }
//   NameInfo { repeated string ips = 1; string registry = 2; string shortname = 3; string namespace = 4 }

export interface NameInfo {
	readonly ips: readonly string[];
	/** `Kubernetes` or `External`. */
	readonly registry: string;
	/** Name and namespace of a Kubernetes Service; empty for other hosts. */
	readonly shortname: string;
	readonly namespace: string;
}

/** By host name; a name may start with `*.`. */
export type NameTable = ReadonlyMap<string, NameInfo>;

/** Entries sorted by name, so that equal tables have equal bytes. */
export function encodeNameTable(table: NameTable): Uint8Array {
	const writer = new Writer();
	for (const name of [...table.keys()].sort()) {
		const info = table.get(name);
		if (!info) continue;
		const value = new Writer();
		for (const ip of info.ips) value.text(1, ip);
		if (info.registry !== "") value.text(2, info.registry);
		if (info.shortname !== "") value.text(3, info.shortname);
		if (info.namespace !== "") value.text(4, info.namespace);
		const entry = new Writer();
		entry.text(1, name);
		entry.bytes(2, value.done());
		writer.bytes(1, entry.done());
	}
	return writer.done();
}

/** Undefined when the bytes are no NameTable. Unknown fields are skipped. */
export function decodeNameTable(bytes: Uint8Array): NameTable | undefined {
	try {
		const table = new Map<string, NameInfo>();
		for (const [field, entry] of lengthDelimited(bytes)) {
			if (field !== 1) continue;
			let name = "";
			let info: NameInfo = { ips: [], registry: "", shortname: "", namespace: "" };
			for (const [key, value] of lengthDelimited(entry)) {
				if (key === 1) name = decodeText(value);
				if (key === 2) info = decodeInfo(value);
			}
			table.set(name, info);
		}
		return table;
	} catch {
		return undefined;
	}
}

function decodeInfo(bytes: Uint8Array): NameInfo {
	const ips: string[] = [];
	const texts = ["", "", "", "", ""];
	for (const [field, value] of lengthDelimited(bytes)) {
		if (field === 1) ips.push(decodeText(value));
		else if (field <= 4) texts[field] = decodeText(value);
	}
	return { ips, registry: texts[2] ?? "", shortname: texts[3] ?? "", namespace: texts[4] ?? "" };
}

const decodeText = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

/** Fields of wire type 2; others are skipped. Throws when the bytes end early. */
function* lengthDelimited(bytes: Uint8Array): Generator<readonly [number, Uint8Array]> {
	let at = 0;
	const byte = (): number => {
		const value = bytes[at++];
		if (value === undefined) throw new Error("truncated");
		return value;
	};
	const varint = (): number => {
		let value = 0;
		for (let shift = 0; shift < 70; shift += 7) {
			const next = byte();
			value += (next & 0x7f) * 2 ** shift;
			if (next < 0x80) return value;
		}
		throw new Error("varint too long");
	};
	const skip = (length: number): void => {
		at += length;
		if (at > bytes.length) throw new Error("truncated");
	};
	while (at < bytes.length) {
		const tag = varint();
		switch (tag % 8) {
			case 0:
				varint();
				break;
			case 1:
				skip(8);
				break;
			case 2: {
				const length = varint();
				const start = at;
				skip(length);
				yield [Math.floor(tag / 8), bytes.subarray(start, at)];
				break;
			}
			case 5:
				skip(4);
				break;
			default:
				throw new Error("unknown wire type");
		}
	}
}

class Writer {
	readonly #bytes: number[] = [];
	static readonly #encoder = new TextEncoder();

	text(field: number, text: string): void {
		this.bytes(field, Writer.#encoder.encode(text));
	}

	bytes(field: number, value: Uint8Array): void {
		this.#varint(field * 8 + 2);
		this.#varint(value.length);
		for (const byte of value) this.#bytes.push(byte);
	}

	done(): Uint8Array {
		return Uint8Array.from(this.#bytes);
	}

	#varint(value: number): void {
		let rest = value;
		while (rest >= 0x80) {
			this.#bytes.push((rest % 0x80) + 0x80);
			rest = Math.floor(rest / 0x80);
		}
		this.#bytes.push(rest);
	}
}
