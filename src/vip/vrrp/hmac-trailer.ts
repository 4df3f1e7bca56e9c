// The HMAC trailer of 28 bytes behind an advert: type, key id, time and counter, HMAC-SHA256 cut to 128 bits. It is the format of
// keepalived 2.4's `auth_hmac` (draft-cassen-vrrp-auth-hmac), checked against the vectors of that draft. The hash covers a
// pseudo header (family, version, VRID, source), the advert with its checksum as 0, and the trailer with its HMAC as 0.

import { equalBytes, type Hmac } from "./authentication-header.ts";
import type { DropReason } from "./drop-reason.ts";

export const hmacTrailerBytes = 28;
const hmacBytes = 16;
const sha256Scheme = 1;
const checksumOffset = 6;
/** Senders of one VRID whose last sequence is remembered; only those with a right HMAC come in. */
const mostSenders = 16;

export interface HmacTrailerConfig {
	/** By id, 1 to 255; 32 to 64 bytes each. All of them verify. */
	readonly keys: ReadonlyMap<number, Uint8Array>;
	readonly activeKey: number;
	/** 0: only growth of the sequence is asked for, and clocks may differ. */
	readonly windowSeconds: number;
	/** `permissive` takes adverts without a trailer, for the time of a migration. */
	readonly mode: "enforce" | "permissive";
}

export interface HmacBinding {
	readonly family: "ipv4" | "ipv6";
	readonly version: number;
	readonly virtualRouterId: number;
	readonly source: Uint8Array;
}

/** Signs and verifies for one instance; remembers the sequences sent and seen. */
export class HmacTrailer {
	readonly #config: HmacTrailerConfig;
	readonly #hmacSha256: Hmac;
	#sent: bigint;
	readonly #seen: Map<string, bigint>;

	/** `before` is the one that this replaces: what it sent and saw is remembered. */
	constructor(config: HmacTrailerConfig, hmacSha256: Hmac, before?: HmacTrailer) {
		this.#config = config;
		this.#hmacSha256 = hmacSha256;
		this.#sent = before ? before.#sent : 0n;
		this.#seen = new Map(before ? before.#seen : []);
	}

	get mode(): HmacTrailerConfig["mode"] {
		return this.#config.mode;
	}

	/** Fills the last 28 bytes of `packet`, whose advert is complete but for its checksum. */
	sign(packet: Uint8Array, binding: HmacBinding, wallMs: number): void {
		const start = packet.length - hmacTrailerBytes;
		const clock = sequenceOf(wallMs);
		this.#sent = clock > this.#sent ? clock : this.#sent + 1n;
		packet[start] = sha256Scheme;
		packet[start + 1] = this.#config.activeKey;
		packet.fill(0, start + 2, start + 4);
		new DataView(packet.buffer, packet.byteOffset).setBigUint64(start + 4, this.#sent);
		const key = this.#config.keys.get(this.#config.activeKey);
		if (!key) throw new Error(`no HMAC key has the id ${this.#config.activeKey}`);
		packet.set(this.#digest(key, packet, binding), packet.length - hmacBytes);
	}

	/** Undefined when the trailer is right and new. `packet` ends with its trailer. */
	verify(packet: Uint8Array, binding: HmacBinding, sender: string, wallMs: number): DropReason | undefined {
		const start = packet.length - hmacTrailerBytes;
		if (packet[start] !== sha256Scheme || packet[start + 2] !== 0 || packet[start + 3] !== 0)
			return "auth_ext_malformed";
		const view = new DataView(packet.buffer, packet.byteOffset);
		const outsideWindow = (seconds: number): boolean =>
			this.#config.windowSeconds > 0 && Math.abs(Math.floor(wallMs / 1000) - seconds) > this.#config.windowSeconds;
		if (outsideWindow(view.getUint32(start + 4))) return "auth_ext_stale";
		const key = this.#config.keys.get(packet[start + 1] ?? 0);
		if (!key) return "auth_ext_unknown_key";
		if (!equalBytes(this.#digest(key, packet, binding), packet.subarray(packet.length - hmacBytes)))
			return "auth_ext_invalid_hmac";
		const sequence = view.getBigUint64(start + 4);
		const last = this.#seen.get(sender);
		// A mark that left the window orders nothing that the window lets in; it would shut out a sender whose clock was set back.
		const binds = last !== undefined && !outsideWindow(Number(last >> 32n));
		if (binds && BigInt.asIntN(64, sequence - last) <= 0n) return "auth_ext_replay";
		this.#remember(sender, sequence);
		return undefined;
	}

	#remember(sender: string, sequence: bigint): void {
		this.#seen.delete(sender);
		this.#seen.set(sender, sequence);
		if (this.#seen.size <= mostSenders) return;
		for (const oldest of this.#seen.keys()) {
			this.#seen.delete(oldest);
			return;
		}
	}

	#digest(key: Uint8Array, packet: Uint8Array, binding: HmacBinding): Uint8Array {
		const covered = new Uint8Array(20 + packet.length);
		covered[0] = binding.family === "ipv6" ? 6 : 4;
		covered[1] = binding.version;
		covered[2] = binding.virtualRouterId;
		covered.set(binding.source, 4);
		covered.set(packet, 20);
		covered.fill(0, 20 + checksumOffset, 20 + checksumOffset + 2);
		covered.fill(0, covered.length - hmacBytes);
		return this.#hmacSha256(key, covered).subarray(0, hmacBytes);
	}
}

/** Seconds since the epoch in the high half, then a binary fraction of 16 bits, then a counter. */
function sequenceOf(wallMs: number): bigint {
	const seconds = Math.floor(wallMs / 1000);
	return (BigInt(seconds) << 32n) | (BigInt(Math.floor(((wallMs / 1000 - seconds) * 65_536) % 65_536)) << 16n);
}
