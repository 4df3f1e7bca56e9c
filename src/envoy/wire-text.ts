// Protobuf fields written as a text of bytes (each character is one byte, 0 to 255): joining texts is what V8 does best,
// and turning the finished text into bytes once is several times cheaper than encoding message objects. For what there is
// most of: endpoints and virtual hosts.

/** A varint field. */
export function varintField(field: number, value: number): string {
	return varint(field << 3) + varint(value);
}

/** A field that holds a text, bytes or a message. */
export function lengthField(field: number, content: string): string {
	return varint((field << 3) | 2) + varint(content.length) + content;
}

/** A string field; left out when empty, as proto3 does. */
export function stringField(field: number, value: string): string {
	return value === "" ? "" : lengthField(field, utf8(value));
}

export function bytesOf(text: string): Uint8Array {
	const bytes = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
	return bytes;
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
	let length = 0;
	for (const piece of pieces) length += piece.length;
	const bytes = new Uint8Array(length);
	let offset = 0;
	for (const piece of pieces) {
		bytes.set(piece, offset);
		offset += piece.length;
	}
	return bytes;
}

export function varint(value: number): string {
	if (value < 128) return String.fromCharCode(value);
	let text = "";
	let rest = value;
	while (rest > 127) {
		text += String.fromCharCode((rest % 128) | 128);
		rest = Math.floor(rest / 128);
	}
	return text + String.fromCharCode(rest);
}

const encoder = new TextEncoder();

function utf8(value: string): string {
	for (let i = 0; i < value.length; i++) {
		if (value.charCodeAt(i) > 127) return String.fromCharCode(...encoder.encode(value));
	}
	return value;
}
