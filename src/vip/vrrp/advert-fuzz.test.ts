// A hundred thousand damaged packets: nothing throws, and each one that is dropped is counted once, under a known reason.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { InstanceConfig } from "../vip-config.ts";
import { type ReceivedPacket, virtualRouterIdOf } from "./advert.ts";
import { AdvertCodec } from "./advert-codec.ts";
import { captures, packetOf } from "./captured-adverts.testing.ts";
import { dropReasons } from "./drop-reason.ts";
import { decodeHeartbeat, encodeHeartbeat } from "./heartbeat-message.ts";
import { nodeHashes } from "./instance-config.testing.ts";

const packets = 100_000;

describe("damaged packets", () => {
	it(`are each taken or dropped once: ${packets} of them`, () => {
		const random = seededRandom(20_261_121);
		const codecs = captures.map(({ config }) => new AdvertCodec(config, ownOf(config), nodeHashes));
		const signed = captures.map(({ config }) => signedConfig(config));
		const verifying = signed.map((config) => new AdvertCodec(config, ownOf(config), nodeHashes));
		const signing = signed.map((config, index) => {
			const capture = captures[index];
			assert.ok(capture);
			return new AdvertCodec(config, packetOf(capture).source, nodeHashes);
		});
		const repeated: ReceivedPacket[] = [];
		const counts = new Map<string, number>();
		let taken = 0;
		for (let count = 0; count < packets; count++) {
			const index = Math.floor(random() * captures.length);
			const capture = captures[index];
			const withTrailer = random() < 0.3;
			const codec = (withTrailer ? verifying : codecs)[index];
			assert.ok(capture && codec);
			let packet = packetOf(capture);
			if (withTrailer) {
				const { advertIntervalMs: intervalMs } = capture.config;
				const bytes = signing[index]?.encode({ priority: capture.priority, intervalMs }, packet.destination, count);
				packet = { ...packet, protocol: 112, payload: bytes?.slice() ?? packet.payload };
			}
			if (withTrailer && random() < 0.05) packet = repeated[index] ?? packet;
			const damaged = random() < 0.1 ? packet : damage(packet, random);
			if (withTrailer && damaged === packet) repeated[index] = packet;
			const router = virtualRouterIdOf(damaged);
			const decoded = codec.decode(damaged, random() < 0.02 ? 1e9 : count);
			if (decoded.ok) {
				taken++;
				assert.equal(typeof router, "number");
				assert.ok(decoded.advert.priority >= 0 && decoded.advert.priority <= 255);
				assert.ok(decoded.advert.intervalMs > 0);
			} else counts.set(decoded.because, (counts.get(decoded.because) ?? 0) + 1);
		}
		let dropped = 0;
		for (const [reason, times] of counts) {
			assert.ok(reason in dropReasons, reason);
			dropped += times;
		}
		assert.equal(taken + dropped, packets);
		// The damage must reach every check, or it shows nothing.
		const notReached = Object.keys(dropReasons).filter((reason) => !counts.has(reason));
		assert.deepEqual(notReached, []);
		assert.ok(taken > 1000, `${taken} taken`);
	});

	it("of the fast heartbeat are taken or refused", () => {
		const random = seededRandom(5);
		const key = { key: new Uint8Array(32), hmacSha256: nodeHashes.hmacSha256 };
		const message = {
			incarnation: 1n,
			sequence: 2,
			intervalUs: 25_000,
			latenessUs: 0,
			node: 3,
			entries: [
				{ family: "ipv4", virtualRouterId: 51, role: "MASTER", priority: 100, successor: 0 },
				{ family: "ipv6", virtualRouterId: 52, role: "BACKUP", priority: 90, successor: 0 },
			],
		} as const;
		for (const used of [undefined, key]) {
			const bytes = encodeHeartbeat(message, used);
			assert.deepEqual(decodeHeartbeat(bytes, used), { ok: true, message });
			let refused = 0;
			for (let count = 0; count < 5_000; count++) {
				const decoded = decodeHeartbeat(damageBytes(bytes, random), used);
				if (!decoded.ok) refused++;
				else if (used) assert.deepEqual(decoded.message, message);
			}
			assert.ok(refused > 1000);
		}
	});
});

function damage(packet: ReceivedPacket, random: () => number): ReceivedPacket {
	let { payload, ttl, protocol, source, destination, family, ipHeader } = packet;
	payload = random() < 0.85 ? damageBytes(payload, random) : payload.slice();
	if (random() < 0.02 && payload.length > 16) {
		payload[3] = 0;
		payload = payload.slice(0, (payload[0] ?? 0) >> 4 === 2 ? 16 : 8);
	}
	if (random() < 0.5) repairChecksum(payload, packet, family);
	if (random() < 0.05) ttl = Math.floor(random() * 257) - 1;
	if (random() < 0.03) protocol = Math.floor(random() * 256);
	if (random() < 0.03)
		source = ["10.77.0.2", "10.77.0.9", "fe80::77:2", "", "nonsense", "::"][Math.floor(random() * 6)] ?? "";
	if (random() < 0.03) destination = ["10.77.0.9", "ff02::12", "", "224.0.0.18", "x"][Math.floor(random() * 5)] ?? "";
	if (random() < 0.02) family = random() < 0.5 ? "ipv4" : "ipv6";
	if (ipHeader && random() < 0.1) ipHeader = damageBytes(ipHeader, random);
	return { payload, ttl, protocol, source, destination, family, ...(ipHeader ? { ipHeader } : {}) };
}

function damageBytes(bytes: Uint8Array, random: () => number): Uint8Array {
	const what = random();
	if (what < 0.1) return bytes.slice(0, Math.floor(random() * bytes.length));
	if (what < 0.2) {
		const longer = new Uint8Array(bytes.length + 1 + Math.floor(random() * 60));
		longer.set(bytes);
		return longer;
	}
	if (what < 0.25) return Uint8Array.from({ length: Math.floor(random() * 80) }, () => Math.floor(random() * 256));
	const damaged = bytes.slice();
	for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) {
		const at = Math.floor(random() * Math.min(damaged.length, random() < 0.7 ? 8 : 100));
		damaged[at] = random() < 0.5 ? (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8)) : Math.floor(random() * 256);
	}
	return damaged;
}

/** So that the checks behind the checksum are reached. */
function repairChecksum(payload: Uint8Array, packet: ReceivedPacket, family: string): void {
	if (packet.protocol === 51 || payload.length < 8) return;
	payload.fill(0, 6, 8);
	let sum = 0;
	const add = (bytes: Uint8Array): void => {
		for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
	};
	add(payload);
	if (family === "ipv6") {
		add(Uint8Array.from(Buffer.from("fe800000000000000000000000770001", "hex")));
		add(Uint8Array.from(Buffer.from("ff020000000000000000000000000012", "hex")));
		sum += payload.length + 112;
	}
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
	payload[6] = (~sum >> 8) & 255;
	payload[7] = ~sum & 255;
}

function signedConfig(config: InstanceConfig): InstanceConfig {
	const { transport } = config;
	const authentication = { type: "hmac", key: "k".repeat(32) } as const;
	const peers = [{ address: "10.77.0.1" }];
	if (transport.type === "multicast") return { ...config, authentication };
	return { ...config, authentication, transport: { ...transport, peers, checkSource: true } };
}

function ownOf(config: InstanceConfig): string {
	return config.family === "ipv4" ? "10.77.0.2" : "fe80::77:2";
}
