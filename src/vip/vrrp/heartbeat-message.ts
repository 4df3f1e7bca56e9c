// The fast heartbeat of Keepmesh nodes as bytes: one small UDP message for all virtual routers of a link, so that many of them
// cost no more packets. Our own format; routers and keepalived never see it, as it is not VRRP.
//
//   0 "KMVH"   4 version 1   5 flags (1: HMAC)   6 count of entries   8 incarnation (64 bit)   16 sequence
//   20 interval, us   24 lateness, us   28 node   32 entries of 8 bytes: family (4, 6), VRID, role, priority, successor
//   then, with flag 1, HMAC-SHA256 of all before it, cut to 128 bits

import { equalBytes, type Hmac } from "./authentication-header.ts";
import type { InstanceRole } from "./instance-state.ts";

export interface HeartbeatMessage {
	/** Grows with each start of the sender: milliseconds since the epoch at its start. */
	readonly incarnation: bigint;
	/** Grows with each message, modulo 2^32. */
	readonly sequence: number;
	/** The sender means to send again after so long. */
	readonly intervalUs: number;
	/** By so much the sender's own timer was late of late, more than once. */
	readonly latenessUs: number;
	/** `nodeHash` of the sender. */
	readonly node: number;
	readonly entries: readonly HeartbeatEntry[];
}

/** One virtual router of the link. */
export interface HeartbeatEntry {
	readonly family: "ipv4" | "ipv6";
	readonly virtualRouterId: number;
	readonly role: InstanceRole;
	readonly priority: number;
	/** The master hands over to that node (`nodeHash`); 0: to nobody by name. */
	readonly successor: number;
}

export interface HeartbeatKey {
	readonly key: Uint8Array;
	readonly hmacSha256: Hmac;
}

export type HeartbeatDrop =
	| "heartbeat_len_err"
	| "heartbeat_magic_err"
	| "heartbeat_vers_err"
	| "heartbeat_auth_failure";

export type DecodedHeartbeat =
	| { readonly ok: true; readonly message: HeartbeatMessage }
	| { readonly ok: false; readonly because: HeartbeatDrop };

const magic = 0x4b4d5648;
const headerBytes = 32;
const entryBytes = 8;
const hmacBytes = 16;
const roles: readonly InstanceRole[] = ["INIT", "BACKUP", "MASTER", "FAULT", "STOP"];

/** Names a node in 32 bits (FNV-1a of its name); never 0. */
export function nodeHash(name: string): number {
	let hash = 0x811c9dc5;
	for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
	return hash || 1;
}

export function encodeHeartbeat(message: HeartbeatMessage, key?: HeartbeatKey): Uint8Array {
	const end = headerBytes + message.entries.length * entryBytes;
	const bytes = new Uint8Array(end + (key ? hmacBytes : 0));
	const view = new DataView(bytes.buffer);
	view.setUint32(0, magic);
	view.setUint8(4, 1);
	view.setUint8(5, key ? 1 : 0);
	view.setUint16(6, message.entries.length);
	view.setBigUint64(8, message.incarnation);
	view.setUint32(16, message.sequence);
	view.setUint32(20, message.intervalUs);
	view.setUint32(24, message.latenessUs);
	view.setUint32(28, message.node);
	for (const [index, entry] of message.entries.entries()) {
		const at = headerBytes + index * entryBytes;
		view.setUint8(at, entry.family === "ipv4" ? 4 : 6);
		view.setUint8(at + 1, entry.virtualRouterId);
		view.setUint8(at + 2, roles.indexOf(entry.role));
		view.setUint8(at + 3, entry.priority);
		view.setUint32(at + 4, entry.successor);
	}
	if (key) bytes.set(key.hmacSha256(key.key, bytes.subarray(0, end)).subarray(0, hmacBytes), end);
	return bytes;
}

/** With a key only messages with the right HMAC pass; without one a message with an HMAC is refused as well. */
export function decodeHeartbeat(bytes: Uint8Array, key?: HeartbeatKey): DecodedHeartbeat {
	if (bytes.length < headerBytes) return { ok: false, because: "heartbeat_len_err" };
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	if (view.getUint32(0) !== magic) return { ok: false, because: "heartbeat_magic_err" };
	if (view.getUint8(4) !== 1) return { ok: false, because: "heartbeat_vers_err" };
	const signed = (view.getUint8(5) & 1) === 1;
	if (signed !== (key !== undefined)) return { ok: false, because: "heartbeat_auth_failure" };
	const count = view.getUint16(6);
	const end = headerBytes + count * entryBytes;
	if (bytes.length !== end + (signed ? hmacBytes : 0)) return { ok: false, because: "heartbeat_len_err" };
	if (key && !equalBytes(key.hmacSha256(key.key, bytes.subarray(0, end)).subarray(0, hmacBytes), bytes.subarray(end)))
		return { ok: false, because: "heartbeat_auth_failure" };
	const entries: HeartbeatEntry[] = [];
	for (let at = headerBytes; at < end; at += entryBytes) {
		const role = roles[view.getUint8(at + 2)];
		const family = view.getUint8(at);
		if (!role || (family !== 4 && family !== 6)) return { ok: false, because: "heartbeat_len_err" };
		entries.push({
			family: family === 4 ? "ipv4" : "ipv6",
			virtualRouterId: view.getUint8(at + 1),
			role,
			priority: view.getUint8(at + 3),
			successor: view.getUint32(at + 4),
		});
	}
	return {
		ok: true,
		message: {
			incarnation: view.getBigUint64(8),
			sequence: view.getUint32(16),
			intervalUs: view.getUint32(20),
			latenessUs: view.getUint32(24),
			node: view.getUint32(28),
			entries,
		},
	};
}
