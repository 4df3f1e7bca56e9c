// In: the bytes of an Envoy binary. Out: every protobuf file descriptor linked into it.
// protoc's C++ output stores each FileDescriptorProto as a literal; it starts with field 1, the file's own name
// (tag 0x0a, length, "....proto"), followed by field 2, the package (tag 0x12).

import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Wire type of each field of FileDescriptorProto (google/protobuf/descriptor.proto): 2 is length-delimited, 0 a varint. */
const wireTypeOfField: Readonly<Record<number, number>> = {
	1: 2,
	2: 2,
	3: 2,
	4: 2,
	5: 2,
	6: 2,
	7: 2,
	8: 2,
	9: 2,
	10: 0,
	11: 0,
	12: 2,
	14: 0,
	15: 2,
};

const syntaxField = 12;

/** All descriptors found, by file name. A name found twice keeps its first copy. */
export function extractEnvoyDescriptors(binary: Buffer): ReadonlyMap<string, FileDescriptorProto> {
	const found = new Map<string, FileDescriptorProto>();
	const mark = Buffer.from(".proto\x12", "latin1");
	for (let at = binary.indexOf(mark); at >= 0; at = binary.indexOf(mark, at + mark.length)) {
		const start = startOfDescriptor(binary, at + ".proto".length);
		if (start === undefined) continue;
		const descriptor = tryDecode(binary.subarray(start, endOfDescriptor(binary, start)));
		if (descriptor && !found.has(descriptor.name)) found.set(descriptor.name, descriptor);
	}
	return found;
}

function tryDecode(bytes: Uint8Array): FileDescriptorProto | undefined {
	try {
		return fromBinary(FileDescriptorProtoSchema, bytes);
	} catch {
		return undefined; // A string that merely looks like the start of a descriptor.
	}
}

/** Walks back from the end of a file name to the tag and length in front of it. */
function startOfDescriptor(binary: Buffer, nameEnd: number): number | undefined {
	const longestName = 127;
	for (let nameStart = nameEnd - ".proto".length - 1; nameStart > nameEnd - longestName; nameStart--) {
		if (binary[nameStart - 1] === nameEnd - nameStart && binary[nameStart - 2] === 0x0a) return nameStart - 2;
		const char = binary[nameStart] ?? 0;
		if (char < 0x2d || char > 0x7a) return undefined;
	}
	return undefined;
}

/** Reads fields as long as they could belong to the same descriptor. */
function endOfDescriptor(binary: Buffer, start: number): number {
	let at = start;
	for (;;) {
		const [tag, afterTag] = readVarint(binary, at);
		const field = Math.floor(tag / 8);
		const wireType = tag % 8;
		if (tag < 0 || wireTypeOfField[field] !== wireType || (field === 1 && at !== start)) return at;
		const [value, afterValue] = readVarint(binary, afterTag);
		if (wireType === 0) {
			at = afterValue;
			continue;
		}
		if (value < 0 || afterValue + value > binary.length) return at;
		at = afterValue + value;
		if (field === syntaxField) return at;
	}
}

function readVarint(binary: Buffer, start: number): readonly [value: number, next: number] {
	let value = 0;
	let at = start;
	for (let shift = 0; shift <= 42; shift += 7) {
		const byte = binary[at++];
		if (byte === undefined) return [-1, at];
		value += (byte & 127) * 2 ** shift;
		if (byte < 128) return [value, at];
	}
	return [-1, at];
}
