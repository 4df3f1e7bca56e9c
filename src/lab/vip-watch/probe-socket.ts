// The socket of a prober or of what answers it. A probe: number (u32), the answering node's letter (u8), the round (u8).

import * as abi from "../../kernel/linux/abi/socket.ts";
import { errorNumber, libc } from "../../kernel/linux/libc.ts";
import { internetSocketAddress } from "../../kernel/linux/socket-address.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";

export const probeBytes = 16;
const IP_FREEBIND = 15;
const SO_RCVBUF = 8;
const mostAtOnce = 64;

export interface ProbeSocket {
	send(bytes: Buffer, address: string, port: number): void;
	close(): void;
}

/** With an address it is bound to it, also while the machine does not hold it. IPv4. */
export function openProbeSocket(
	loop: RealTimeLoop,
	at: { readonly address?: string; readonly port?: number },
	onBytes: (bytes: Buffer, answer: (bytes: Buffer) => void) => void,
): ProbeSocket {
	const fd = libc.socket(abi.AF_INET, abi.SOCK_DGRAM | 0o4000, 0);
	const on = Buffer.from([1, 0, 0, 0]);
	libc.setsockopt(fd, abi.IPPROTO_IP, IP_FREEBIND, on, 4);
	const buffer = Buffer.alloc(4);
	buffer.writeInt32LE(4 << 20);
	libc.setsockopt(fd, abi.SOL_SOCKET, SO_RCVBUF, buffer, 4);
	const own = internetSocketAddress(at.address ?? "0.0.0.0", at.port ?? 0, 0);
	if (libc.bind(fd, own, own.length) !== 0)
		throw new Error(`cannot bind ${at.address}:${at.port}: error ${errorNumber()}`);
	const bytes = Buffer.alloc(probeBytes);
	const from = Buffer.alloc(own.length);
	const fromLength = Buffer.alloc(4);
	const answer = (what: Buffer): void => {
		libc.sendto(fd, what, what.length, abi.MSG_DONTWAIT, from, from.length);
	};
	const cancel = loop.watchReadable(fd, () => {
		for (let count = 0; count < mostAtOnce; count++) {
			fromLength.writeUInt32LE(from.length);
			if (libc.recvfrom(fd, bytes, bytes.length, abi.MSG_DONTWAIT, from, fromLength) !== probeBytes) return;
			onBytes(bytes, answer);
		}
	});
	const destinations = new Map<string, Buffer>();
	return {
		send: (what, address, port) => {
			const key = `${address} ${port}`;
			const to = destinations.get(key) ?? internetSocketAddress(address, port, 0);
			destinations.set(key, to);
			// An error (nobody has the address) is a lost probe.
			libc.sendto(fd, what, what.length, abi.MSG_DONTWAIT, to, to.length);
		},
		close: () => {
			cancel();
			libc.close(fd);
		},
	};
}
