// PING_CHECK: one ICMP echo request, by the kernel's unprivileged ping socket, or by a raw one where groups may not use that
// (net.ipv4.ping_group_range; icmp(7)).

import { randomInt } from "node:crypto";
import { isIPv6 } from "node:net";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { CheckConnection } from "../../vip/keepalived-conf/virtual-servers.ts";
import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";
import { kernel, watchDescriptor } from "./readable-descriptor.ts";
import type { CheckTarget } from "./real-server-check.ts";

const nonBlockingCloseOnExec = 0o2004000;
const sockDgram = 2;
const sockRaw = 3;
const dataBytes = 56;

interface Echo {
	readonly family: number;
	readonly protocol: number;
	readonly request: number;
	readonly reply: number;
}
const echo4: Echo = { family: 2, protocol: 1, request: 8, reply: 0 };
const echo6: Echo = { family: 10, protocol: 58, request: 128, reply: 129 };

export function checkPing(
	{ connection }: { readonly connection: CheckConnection },
	target: CheckTarget,
	signal: AbortSignal,
): Promise<CheckOutcome> {
	const address = connection.address ?? target.address;
	const isIpv6 = isIPv6(address);
	const echo = isIpv6 ? echo6 : echo4;
	const { socket, connect, bind, send, close, errorNumber, setsockopt } = kernel();
	let raw = false;
	let fd = socket(echo.family, sockDgram | nonBlockingCloseOnExec, echo.protocol);
	if (fd < 0) {
		raw = true;
		fd = socket(echo.family, sockRaw | nonBlockingCloseOnExec, echo.protocol);
	}
	const failed = (what: string): CheckOutcome => ({ ok: false, because: `${what}: error ${errorNumber()}` });
	if (fd < 0) return Promise.resolve(failed("no ICMP socket"));
	const id = randomInt(65536);
	const sequence = randomInt(65536);
	const refuse = (what: string): Promise<CheckOutcome> => {
		const outcome = failed(what);
		close(fd);
		return Promise.resolve(outcome);
	};
	if (connection.mark !== undefined) {
		const mark = Buffer.alloc(4);
		mark.writeUInt32LE(connection.mark);
		if (setsockopt(fd, 1, 36, mark, 4) !== 0) return refuse("cannot set the mark");
	}
	if (connection.bindAddress !== undefined) {
		const from = socketAddress(connection.bindAddress);
		if (bind(fd, from, from.length) !== 0) return refuse(`cannot leave from ${connection.bindAddress}`);
	}
	const to = socketAddress(address);
	if (connect(fd, to, to.length) !== 0) return refuse("unreachable");
	const request = echoRequest(echo, id, sequence);
	if (Number(send(fd, request, request.length, 0)) < 0) return refuse("unreachable");
	return new Promise((resolve) => {
		const finish = (outcome: CheckOutcome): void => {
			signal.removeEventListener("abort", aborted);
			descriptor.close();
			resolve(outcome);
		};
		const aborted = (): void => finish({ ok: false, because: "given up" });
		const descriptor = watchDescriptor(fd, 2048, () => {
			for (let bytes = descriptor.read(); bytes; bytes = descriptor.read()) {
				// A raw IPv4 socket hears whole packets, and everybody's.
				const message = raw && !isIpv6 ? bytes.subarray(((bytes[0] ?? 0) & 0xf) * 4) : bytes;
				if (message.length < 8 || message[0] !== echo.reply || message.readUInt16BE(6) !== sequence) continue;
				if (raw && message.readUInt16BE(4) !== id) continue;
				return finish({ ok: true, because: "answered the ping" });
			}
		});
		signal.addEventListener("abort", aborted, { once: true });
		if (signal.aborted) aborted();
	});
}

/** IPv4's checksum is ours in a raw socket; elsewhere the kernel writes it. */
function echoRequest(echo: Echo, id: number, sequence: number): Buffer {
	const message = Buffer.alloc(8 + dataBytes);
	message[0] = echo.request;
	message.writeUInt16BE(id, 4);
	message.writeUInt16BE(sequence, 6);
	if (echo !== echo4) return message;
	let sum = 0;
	for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at);
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
	message.writeUInt16BE(~sum & 0xffff, 2);
	return message;
}

function socketAddress(address: string): Buffer {
	const bytes = ipAddressBytes(address);
	if (!bytes) throw new Error(`${address} is no address`);
	const result = Buffer.alloc(bytes.length === 4 ? 16 : 28);
	result.writeUInt16LE(bytes.length === 4 ? 2 : 10, 0);
	result.set(bytes, bytes.length === 4 ? 4 : 8);
	return result;
}
