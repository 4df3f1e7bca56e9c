// Heartbeats, questions and answers between nodes and control planes as UDP datagrams: `KMB1`, type, the boot of the sender's machine and a
// number, a node's name, then an HMAC over all of it. What is malformed, or was not made by who has the key, is nothing.

/** Makes the code of authentication: HMAC-SHA-256 with the mesh's key. */
export type Sign = (bytes: Uint8Array) => Uint8Array;

export type Datagram =
	/** From node to node: it lives. `sequence` grows, also over restarts of a node whose clock is right. */
	| { readonly type: "beat"; readonly node: string; readonly boot: bigint; readonly sequence: bigint }
	/** From a control plane: is `node` there? */
	| { readonly type: "ask"; readonly node: string; readonly nonce: bigint }
	/** By that node; `nonce` is the question's. */
	| { readonly type: "answer"; readonly node: string; readonly boot: bigint; readonly nonce: bigint }
	/** From a control plane to all others: `node` is lost. A hint to look around, no more. */
	| { readonly type: "lost"; readonly node: string; readonly nonce: bigint };

const magic = [0x4b, 0x4d, 0x42, 0x31] as const;
const types = ["beat", "ask", "answer", "lost"] as const;
const headLength = 4 + 1 + 8 + 8 + 1;
const codeLength = 16;

export function encodeDatagram(datagram: Datagram, sign: Sign): Uint8Array {
	const name = new TextEncoder().encode(datagram.node);
	if (name.length > 253) throw new Error(`a node's name has at most 253 bytes: ${datagram.node}`);
	const bytes = new Uint8Array(headLength + name.length + codeLength);
	const view = new DataView(bytes.buffer);
	bytes.set(magic);
	bytes[4] = types.indexOf(datagram.type);
	view.setBigUint64(5, "boot" in datagram ? datagram.boot : 0n);
	view.setBigUint64(13, datagram.type === "beat" ? datagram.sequence : datagram.nonce);
	bytes[21] = name.length;
	bytes.set(name, headLength);
	const signed = headLength + name.length;
	bytes.set(sign(bytes.subarray(0, signed)).subarray(0, codeLength), signed);
	return bytes;
}

/** `keys`: while the key changes, the old one counts as well. Undefined for anything that is not to be believed. */
export function decodeDatagram(bytes: Uint8Array, keys: readonly Sign[]): Datagram | undefined {
	if (bytes.length < headLength + codeLength || magic.some((byte, index) => bytes[index] !== byte)) return undefined;
	const nameLength = bytes[21] ?? 0;
	const signed = headLength + nameLength;
	if (nameLength === 0 || bytes.length !== signed + codeLength) return undefined;
	const code = bytes.subarray(signed);
	if (!keys.some((sign) => isSame(sign(bytes.subarray(0, signed)), code))) return undefined;
	const type = types[bytes[4] ?? types.length];
	const node = textOf(bytes.subarray(headLength, signed));
	if (type === undefined || node === undefined) return undefined;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const boot = view.getBigUint64(5);
	const number = view.getBigUint64(13);
	switch (type) {
		case "beat":
			return { type, node, boot, sequence: number };
		case "ask":
			return { type, node, nonce: number };
		case "answer":
			return { type, node, boot, nonce: number };
		case "lost":
			return { type, node, nonce: number };
		default:
			return type satisfies never;
	}
}

/** Takes as long for a code that is nearly right as for any other. */
function isSame(made: Uint8Array, given: Uint8Array): boolean {
	let difference = 0;
	for (let index = 0; index < codeLength; index++) difference |= (made[index] ?? 0) ^ (given[index] ?? 0);
	return difference === 0;
}

function textOf(bytes: Uint8Array): string | undefined {
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch {
		return undefined;
	}
}
