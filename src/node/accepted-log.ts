// The file in which a proxy's accepted configuration is kept. Out and in: a first line with the format's number, then records:
// first what was folded, closed by a mark, then what was accepted since. Each record has checksums of its head and of its
// content, so that damage is told from a write that was cut off.

import { crc32 } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { summarizeDeltaResponse } from "../xds/relay-message.ts";
import type { EncodedResource, TypeUrl } from "../xds/resource.ts";

/** What a proxy accepted, and when it accepted something last. */
export interface Accepted {
	readonly byType: ReadonlyMap<TypeUrl, ReadonlyMap<string, EncodedResource>>;
	/** Milliseconds since the epoch; undefined when nothing was accepted. */
	readonly atMs: number | undefined;
}

export interface AcceptedLog extends Accepted {
	/** Why not all of it was read. What is given came before the damage; nothing, when the folded part is damaged. */
	readonly damage?: string;
}

type Kind = "differences" | "replaces" | "foldEnd";

export const nothingAccepted: Accepted = { byType: new Map(), atMs: undefined };

const formatName = "keepmesh accepted ";
const formatVersion = 2;
const firstLine = Buffer.from(`${formatName}${formatVersion}\n`);
const kinds: readonly Kind[] = ["differences", "replaces", "foldEnd"];
// Length, kind, time, checksum of the content, checksum of the head so far.
const headBytes = 4 + 1 + 8 + 4 + 4;

/** `replaces`: nothing of the type was there before. */
export function encodeAccepted(response: Uint8Array, replaces: boolean, atMs: number): Buffer {
	return encodeRecord(replaces ? "replaces" : "differences", atMs, response);
}

/** A whole file that holds just this. */
export function encodeFolded({ byType, atMs = 0 }: Accepted): Buffer {
	const records = [...byType].map(([typeUrl, byName]) => encodeRecord("replaces", atMs, encodeType(typeUrl, byName)));
	return Buffer.concat([firstLine, ...records, encodeRecord("foldEnd", atMs, new Uint8Array())]);
}

/** Never throws. A last record that is cut off ends the file: what came before counts. */
export function readAccepted(file: Buffer): AcceptedLog {
	const foreign = foreignness(file);
	if (foreign !== undefined) return { ...nothingAccepted, damage: foreign };
	const byType = new Map<TypeUrl, Map<string, EncodedResource>>();
	let atMs: number | undefined;
	let isFoldWhole = false;
	let damage: string | undefined;
	for (let at = firstLine.length; at < file.length; ) {
		const record = readRecord(file, at);
		if ("ends" in record) break;
		if ("damage" in record) {
			damage = `${record.damage}, at byte ${at}`;
			break;
		}
		if (record.kind === "foldEnd") isFoldWhole = true;
		else {
			try {
				apply(byType, record.kind, record.content);
			} catch (error) {
				damage = `it holds what is no response: ${String(error)}, at byte ${at}`;
				break;
			}
			atMs = record.atMs;
		}
		at += headBytes + record.content.length;
	}
	// The folded part was written as a whole: an end within it is damage too.
	if (!isFoldWhole) return { ...nothingAccepted, damage: damage ?? "its folded part is cut off" };
	return { byType, atMs, ...(damage !== undefined && { damage }) };
}

function foreignness(file: Buffer): string | undefined {
	if (file.subarray(0, firstLine.length).equals(firstLine)) return undefined;
	const line = file.subarray(0, 40).toString("latin1").split("\n")[0] ?? "";
	if (!line.startsWith(formatName)) return "it is no file of accepted configuration";
	return `it has format ${line.slice(formatName.length)}, this agent reads ${formatVersion}`;
}

function encodeRecord(kind: Kind, atMs: number, content: Uint8Array): Buffer {
	const head = Buffer.alloc(headBytes);
	head.writeUInt32BE(content.length);
	head.writeUInt8(kinds.indexOf(kind), 4);
	head.writeDoubleBE(atMs, 5);
	head.writeUInt32BE(crc32(content), 13);
	head.writeUInt32BE(crc32(head.subarray(0, 17)), 17);
	return Buffer.concat([head, content]);
}

function readRecord(
	file: Buffer,
	at: number,
):
	| { readonly kind: Kind; readonly atMs: number; readonly content: Buffer }
	| { readonly ends: true }
	| { readonly damage: string } {
	if (at + headBytes > file.length) return { ends: true };
	const head = file.subarray(at, at + headBytes);
	if (crc32(head.subarray(0, 17)) !== head.readUInt32BE(17)) {
		// A machine that loses its power may leave a file longer than what was written into it.
		const isBlank = file.subarray(at).every((byte) => byte === 0);
		return isBlank ? { ends: true } : { damage: "the checksum of a record's head is wrong" };
	}
	const end = at + headBytes + head.readUInt32BE(0);
	if (end > file.length) return { ends: true };
	const content = file.subarray(at + headBytes, end);
	const kind = kinds[head.readUInt8(4)];
	if (kind === undefined || crc32(content) !== head.readUInt32BE(13))
		return { damage: "the checksum of a record is wrong" };
	return { kind, atMs: head.readDoubleBE(5), content };
}

function apply(byType: Map<TypeUrl, Map<string, EncodedResource>>, kind: Kind, content: Uint8Array): void {
	const response = summarizeDeltaResponse(content);
	const before = byType.get(response.typeUrl);
	// Differences to what is not known would make up a configuration that never was.
	if (!before && kind === "differences") return;
	const byName = new Map(kind === "replaces" ? undefined : before);
	for (const resource of response.resources) byName.set(resource.name, resource);
	for (const name of response.removed) byName.delete(name);
	byType.set(response.typeUrl, byName);
}

/** A DeltaDiscoveryResponse; the resources are encoded already. */
function encodeType(typeUrl: TypeUrl, byName: ReadonlyMap<string, EncodedResource>): Uint8Array {
	const writer = new BinaryWriter();
	for (const { name, version, any } of byName.values()) {
		writer.tag(2, WireType.LengthDelimited).fork();
		writer.tag(1, WireType.LengthDelimited).string(version);
		writer.tag(2, WireType.LengthDelimited).bytes(any);
		writer.tag(3, WireType.LengthDelimited).string(name);
		writer.join();
	}
	return writer.tag(4, WireType.LengthDelimited).string(typeUrl).finish();
}
