// Frames on one cable of a LAN, by tcpdump: what was really sent, byte for byte.

import type { VipLan } from "./vip-lan.ts";
import type { VipNode } from "./vip-node.ts";

export interface Frame {
	/** With its Ethernet header. */
	readonly bytes: Buffer;
	/** Adverts, also behind an authentication header; gratuitous ARP; unsolicited neighbour advertisements. */
	readonly kind: "advert" | "announcement" | "other";
}

export interface Capture {
	readonly frames: readonly Frame[];
	clear(): void;
}

const filter =
	"ip proto 112 or ip proto 51 or (ip6 and ip6[6] == 112) or arp or (ip6 and ip6[6] == 58 and ip6[40] == 136)";
const fileHeaderBytes = 24;
const recordHeaderBytes = 16;

export async function captureCable(lan: VipLan, node: VipNode): Promise<Capture> {
	const command = ["tcpdump", "-i", node.port, "-n", "-U", "--immediate-mode", "-Z", "root", "-w", "-", filter];
	const child = lan.spawn(`/run/netns/${lan.rig.hub}`, command);
	const frames: Frame[] = [];
	let pending: Buffer = Buffer.alloc(0);
	let isOpen = false;
	child.stdout?.on("data", (chunk: Buffer) => {
		pending = Buffer.concat([pending, chunk]);
		if (!isOpen) {
			if (pending.length < fileHeaderBytes) return;
			isOpen = true;
			pending = pending.subarray(fileHeaderBytes);
		}
		while (pending.length >= recordHeaderBytes) {
			const end = recordHeaderBytes + pending.readUInt32LE(8);
			if (pending.length < end) return;
			const bytes = Buffer.from(pending.subarray(recordHeaderBytes, end));
			frames.push({ bytes, kind: kindOf(bytes) });
			pending = pending.subarray(end);
		}
	});
	let said = "";
	child.stderr?.on("data", (chunk) => {
		said += chunk;
	});
	await lan.until("tcpdump listens", () => /listening on/.test(said), 5000);
	return {
		frames,
		clear: () => {
			frames.length = 0;
		},
	};
}

function kindOf(bytes: Buffer): Frame["kind"] {
	const type = bytes.readUInt16BE(12);
	// Sender and target are the same: nobody asks, somebody tells.
	if (type === 0x0806) return bytes.subarray(28, 32).equals(bytes.subarray(38, 42)) ? "announcement" : "other";
	if (type === 0x0800) return "advert";
	if (type === 0x86dd) return bytes[20] === 112 ? "advert" : isUnsolicited(bytes) ? "announcement" : "other";
	return "other";
}

/** To all nodes. */
function isUnsolicited(bytes: Buffer): boolean {
	return bytes.subarray(38, 54).toString("hex") === "ff020000000000000000000000000001";
}

/** As text, without what differs from packet to packet: IPv4's id and checksum, AH's sequence and digest. */
export function withoutCounters({ bytes }: Frame, alsoWithout?: number): string {
	const copy = Buffer.from(bytes);
	if (alsoWithout !== undefined) copy[alsoWithout] = 0;
	if (copy.readUInt16BE(12) === 0x0800) {
		copy.fill(0, 18, 20);
		copy.fill(0, 24, 26);
		if (copy[23] === 51) copy.fill(0, 42, 58);
	}
	return copy.toString("hex").replace(/(.{28})/, "$1 ");
}
