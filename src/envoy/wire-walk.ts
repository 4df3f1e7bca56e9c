// Encoded protobuf messages -> the length-delimited fields at given paths, without decoding the rest. For checks that run
// on every push and need a few names out of megabytes.

/** Calls `visit` for each length-delimited field of the message. Throws on bytes that are no message. */
export function eachField(bytes: Uint8Array, visit: (field: number, value: Uint8Array) => void): void {
	let at = 0;
	const varint = (): number => {
		let value = 0;
		let factor = 1;
		for (;;) {
			const byte = bytes[at++];
			if (byte === undefined) throw new Error("message ends inside a number");
			value += (byte & 127) * factor;
			if (byte < 128) return value;
			factor *= 128;
		}
	};
	while (at < bytes.length) {
		const tag = varint();
		const field = Math.floor(tag / 8);
		switch (tag & 7) {
			case 0:
				varint();
				break;
			case 1:
				at += 8;
				break;
			case 2: {
				const length = varint();
				if (at + length > bytes.length) throw new Error("message ends inside a field");
				visit(field, bytes.subarray(at, at + length));
				at += length;
				break;
			}
			case 5:
				at += 4;
				break;
			default:
				throw new Error(`unknown wire type in field ${field}`);
		}
	}
}

/** Every value of the field at the end of the path of field numbers. */
export function fieldsAt(bytes: Uint8Array, path: readonly number[]): readonly Uint8Array[] {
	const found: Uint8Array[] = [];
	const walk = (message: Uint8Array, depth: number): void =>
		eachField(message, (field, value) => {
			if (field !== path[depth]) return;
			if (depth === path.length - 1) found.push(value);
			else walk(value, depth + 1);
		});
	walk(bytes, 0);
	return found;
}

const decoder = new TextDecoder();

export function textsAt(bytes: Uint8Array, path: readonly number[]): readonly string[] {
	return fieldsAt(bytes, path).map((value) => decoder.decode(value));
}
