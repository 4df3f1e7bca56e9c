// Program: reads every packet of the network namespace that it runs in, loopback's aside. In: addresses whose own sending does not
// count, as arguments; `--port=N`: connections of other ports do not count. Out: `watching`, `flowing` once connections come and go; when its standard input ends, one line of JSON: a
// WireReport, and how many packets the kernel could not hand over.

import { parseArgs } from "node:util";
import { errorNumber, libc } from "../../kernel/linux/libc.ts";
import { WireFlows } from "./wire-flows.ts";

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const ETH_P_IP = 0x0800;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const MSG_DONTWAIT = 0x40;
/** `sll_hatype` of `struct sockaddr_ll`. */
const hardwareTypeAt = 8;
const ARPHRD_LOOPBACK = 772;
const bufferBytes = 32 * 1024 * 1024;
const readEveryMs = 2;
const flowingFrom = 60;

const inNetworkOrder = ((ETH_P_IP & 0xff) << 8) | (ETH_P_IP >> 8);
const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, inNetworkOrder);
if (fd < 0) throw new Error(`packet socket: errno ${errorNumber()}`);
const size = Buffer.from(Int32Array.of(bufferBytes).buffer);
if (libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length) !== 0)
	throw new Error(`its buffer: errno ${errorNumber()}`);

const { positionals, values } = parseArgs({ allowPositionals: true, options: { port: { type: "string" } } });
const flows = new WireFlows(positionals, values.port === undefined ? undefined : Number(values.port));
const packet = Buffer.alloc(160);
const from = Buffer.alloc(20);
const fromBytes = Buffer.alloc(4);

function read(): void {
	for (;;) {
		fromBytes.writeInt32LE(from.length);
		const length = libc.recvfrom(fd, packet, packet.length, MSG_DONTWAIT, from, fromBytes);
		if (length < 0) return;
		if (from.readUInt16LE(hardwareTypeAt) !== ARPHRD_LOOPBACK) flows.take(packet.subarray(0, Number(length)));
	}
}

function dropped(): number {
	// struct tpacket_stats: packets, drops
	const stats = Buffer.alloc(8);
	const length = Buffer.from(Int32Array.of(stats.length).buffer);
	if (libc.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, stats, length) !== 0)
		throw new Error(`its statistics: errno ${errorNumber()}`);
	return stats.readUInt32LE(4);
}

let isFlowing = false;
setInterval(() => {
	read();
	if (isFlowing || flows.report().encrypted < flowingFrom) return;
	isFlowing = true;
	process.stdout.write("flowing\n");
}, readEveryMs);
process.stdin
	.on("end", () => {
		read();
		process.stdout.write(`${JSON.stringify({ ...flows.report(), dropped: dropped() })}\n`, () => process.exit(0));
	})
	.resume();
process.stdout.write("watching\n");
