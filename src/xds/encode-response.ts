// A response -> the buffers of one gRPC message. Repeated fields of protobuf may be written in pieces, so a message is: its
// own small head, then the bytes that all streams share, then its own tail. Shared bytes are made once for each part.
// envoy/service/discovery/v3/discovery.proto; https://protobuf.dev/programming-guides/encoding/#last-one-wins

import type { PartDiff } from "./part-diff.ts";
import { countOf, type Piece, resourcesOf } from "./plan-delta.ts";
import type { EncodedResource, ResourcePart } from "./resource.ts";

export interface Response {
	readonly protocol: "delta" | "sotw";
	readonly typeUrl: string;
	readonly nonce: string;
	/** Version of the whole; delta clients only show it. */
	readonly version: string;
	readonly pieces: readonly Piece[];
	/** Delta only. */
	readonly removed: readonly string[];
}

type Protocol = Response["protocol"];

const grpcHeaderBytes = 5;

/** The buffers, in order, of one length-prefixed gRPC message. They may be shared: write them, never change them. */
export function encodeResponse(response: Response): readonly Uint8Array[] {
	const { protocol, typeUrl, nonce, version, removed } = response;
	const shared = response.pieces.filter((piece) => countOf(piece) > 0).map((piece) => pieceBytes(protocol, piece));
	const isDelta = protocol === "delta";
	const fields: (readonly [number, string])[] = [
		[1, version],
		[4, typeUrl],
		[5, nonce],
	];
	if (isDelta) for (const name of removed) fields.push([6, name]);
	const own = fields.reduce((sum, [, text]) => sum + (text === "" ? 0 : stringFieldBytes(text)), 0);
	const head = new Uint8Array(grpcHeaderBytes + own);
	const messageBytes = shared.reduce((sum, bytes) => sum + bytes.length, own);
	new DataView(head.buffer).setUint32(1, messageBytes);
	let at = grpcHeaderBytes;
	for (const [field, text] of fields) if (text !== "") at = writeStringField(head, at, field, text);
	return [head, ...shared];
}

export function totalBytes(buffers: readonly Uint8Array[]): number {
	return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

type BytesOf<Key extends object> = Readonly<Record<Protocol, WeakMap<Key, Uint8Array>>>;
const bytesOfPart: BytesOf<ResourcePart> = { delta: new WeakMap(), sotw: new WeakMap() };
const bytesOfDiff: BytesOf<PartDiff> = { delta: new WeakMap(), sotw: new WeakMap() };

function pieceBytes(protocol: Protocol, piece: Piece): Uint8Array {
	switch (piece.kind) {
		case "part":
			return remembered(bytesOfPart[protocol], piece.part, protocol, piece);
		case "diff":
			return remembered(bytesOfDiff[protocol], piece.diff, protocol, piece);
		case "resources":
			return encodeEntries(protocol, piece.resources);
		default:
			return piece satisfies never;
	}
}

function remembered<Key extends object>(
	cache: WeakMap<Key, Uint8Array>,
	key: Key,
	protocol: Protocol,
	piece: Piece,
): Uint8Array {
	let bytes = cache.get(key);
	if (!bytes) {
		bytes = encodeEntries(protocol, [...resourcesOf(piece)]);
		cache.set(key, bytes);
	}
	return bytes;
}

/** Field 2 of either response, once for each resource: a Resource for delta, the bare Any for state of the world. */
function encodeEntries(protocol: Protocol, resources: readonly EncodedResource[]): Uint8Array {
	const isDelta = protocol === "delta";
	const inner = (resource: EncodedResource): number =>
		isDelta
			? stringFieldBytes(resource.name) + stringFieldBytes(resource.version) + bytesFieldBytes(resource.any.length)
			: resource.any.length;
	const length = resources.reduce((sum, resource) => sum + bytesFieldBytes(inner(resource)), 0);
	const out = new Uint8Array(length);
	let at = 0;
	for (const resource of resources) {
		at = writeTag(out, at, 2, inner(resource));
		if (isDelta) {
			at = writeStringField(out, at, 1, resource.version);
			at = writeTag(out, at, 2, resource.any.length);
		}
		out.set(resource.any, at);
		at += resource.any.length;
		if (isDelta) at = writeStringField(out, at, 3, resource.name);
	}
	return out;
}

// --- protobuf, just enough for strings and bytes; all field numbers here are below 16, so a tag is one byte ---

const encoder = new TextEncoder();

function varintBytes(value: number): number {
	let bytes = 1;
	for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
	return bytes;
}

function bytesFieldBytes(length: number): number {
	return 1 + varintBytes(length) + length;
}

function stringFieldBytes(text: string): number {
	return bytesFieldBytes(utf8Bytes(text));
}

function utf8Bytes(text: string): number {
	for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return encoder.encode(text).length;
	return text.length;
}

function writeTag(out: Uint8Array, at: number, field: number, length: number): number {
	out[at++] = (field << 3) | 2;
	let rest = length;
	while (rest >= 0x80) {
		out[at++] = (rest & 0x7f) | 0x80;
		rest = Math.floor(rest / 0x80);
	}
	out[at++] = rest;
	return at;
}

function writeStringField(out: Uint8Array, at: number, field: number, text: string): number {
	const start = writeTag(out, at, field, utf8Bytes(text));
	return start + encoder.encodeInto(text, out.subarray(start)).written;
}
