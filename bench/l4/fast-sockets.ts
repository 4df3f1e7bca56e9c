// Sockets of namespaces by system calls alone: between namespaces a packet travels inside the call that sends it, so that one
// thread can send, receive and take the time without any other process in between.

import koffi from "koffi";
import { EINTR } from "../../src/kernel/linux/abi/errno.ts";
import { errorNumber, libc } from "../../src/kernel/linux/libc.ts";
import { insideNamespace } from "../../src/kernel/linux/network-namespace.ts";
import { internetSocketAddress } from "../../src/kernel/linux/socket-address.ts";

const inet = 2;
const stream = 1;
const datagram = 2;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const solSocket = 1;
const reusePort = 15;
const linger = 13;
const sendTimeout = 21;
const tcp = 6;
const noDelay = 1;
const again = 11;

const library = koffi.load(null);
const connectCall = library.func("int connect(int, const void *, uint32_t)") as unknown as Call;
const listenCall = library.func("int listen(int, int)") as unknown as (fd: number, backlog: number) => number;
const acceptCall = library.func("int accept4(int, void *, void *, int)") as unknown as (
	fd: number,
	address: Uint8Array | null,
	length: Uint8Array | null,
	flags: number,
) => number;
type Call = (fd: number, address: Uint8Array, length: number) => number;

export type Target = Buffer;

export function target(address: string, port: number): Target {
	return internetSocketAddress(address, port, 0);
}

/** So many sockets of that namespace. TCP ones block for 2 s at most and reset the connection when closed. */
export function openSockets(netns: string, type: "tcp" | "udp", count: number): number[] {
	const inside = insideNamespace(netns);
	try {
		return inside.run(() => Array.from({ length: count }, () => (type === "tcp" ? tcpSocket() : udpSocket())));
	} finally {
		inside.close();
	}
}

/** Of a port of its own: a flow that an earlier socket of the same port began would be gone on with. */
function udpSocket(): number {
	const fd = check(libc.socket(inet, datagram | nonBlocking | closeOnExec, 0), "socket");
	for (let tries = 0; tries < 100; tries++) {
		nextUdpPort = nextUdpPort === lastUdpPort ? firstUdpPort : nextUdpPort + 1;
		const own = target("0.0.0.0", nextUdpPort);
		if (libc.bind(fd, own, own.length) === 0) return fd;
	}
	throw new Error("no port is free");
}
const [firstUdpPort, lastUdpPort] = [10_000, 64_999] as const;
let nextUdpPort: number = firstUdpPort;

function tcpSocket(): number {
	const fd = check(libc.socket(inet, stream | closeOnExec, 0), "socket");
	const noWait = Buffer.alloc(8);
	noWait.writeInt32LE(1, 0);
	check(libc.setsockopt(fd, solSocket, linger, noWait, 8), "SO_LINGER");
	const twoSeconds = Buffer.alloc(16);
	twoSeconds.writeBigInt64LE(2n, 0);
	check(libc.setsockopt(fd, solSocket, sendTimeout, twoSeconds, 16), "SO_SNDTIMEO");
	setInteger(fd, tcp, noDelay, 1);
	return fd;
}

/** Absent `address`: takes what comes to any address of the namespace. */
export function openServer(netns: string, type: "tcp" | "udp", port: number, address = "0.0.0.0"): number {
	const inside = insideNamespace(netns);
	try {
		return inside.run(() => {
			const fd = check(
				libc.socket(inet, (type === "tcp" ? stream : datagram) | nonBlocking | closeOnExec, 0),
				"socket",
			);
			// A server of one address beside that of all.
			setInteger(fd, solSocket, reusePort, 1);
			const own = target(address, port);
			check(libc.bind(fd, own, own.length), "bind");
			if (type === "tcp") check(listenCall(fd, 4096), "listen");
			return fd;
		});
	} finally {
		inside.close();
	}
}

export function send(fd: number, bytes: Uint8Array, to: Target): void {
	check(libc.sendto(fd, bytes, bytes.length, 0, to, to.length), "sendto");
}

export function receive(fd: number, into: Uint8Array): number {
	const count = libc.recv(fd, into, into.length, nonBlockingFlag);
	return count < 0 && errorNumber() === again ? 0 : check(count, "recv");
}
const nonBlockingFlag = 0x40;

/** Until the connection is there, also past a signal: asked again, the kernel goes on waiting for the same connection. */
export function connectTo(fd: number, to: Target): void {
	let result = connectCall(fd, to, to.length);
	while (result < 0 && errorNumber() === EINTR) result = connectCall(fd, to, to.length);
	if (result < 0 && errorNumber() === isConnected) return;
	check(result, "connect");
}
const isConnected = 106;

/** False: refused, or no answer in 50 ms. */
export function tryConnect(fd: number, to: Target): boolean {
	const short = Buffer.alloc(16);
	short.writeBigInt64LE(50_000n, 8);
	check(libc.setsockopt(fd, solSocket, sendTimeout, short, 16), "SO_SNDTIMEO");
	return connectCall(fd, to, to.length) === 0;
}

/** A waiting connection of a server. */
export function accept(fd: number): number {
	return check(acceptCall(fd, null, null, nonBlocking | closeOnExec), "accept");
}

/** Whether one waits; it is reset. */
export function dropWaiting(fd: number): boolean {
	const connection = acceptCall(fd, null, null, nonBlocking | closeOnExec);
	if (connection < 0) return false;
	close(connection);
	return true;
}

export function write(fd: number, bytes: Uint8Array): number {
	const count = libc.send(fd, bytes, bytes.length, nonBlockingFlag);
	return count < 0 && errorNumber() === again ? 0 : check(count, "send");
}

export function close(...fds: readonly number[]): void {
	for (const fd of fds) libc.close(fd);
}

function setInteger(fd: number, level: number, name: number, value: number): void {
	const bytes = Buffer.alloc(4);
	bytes.writeInt32LE(value);
	check(libc.setsockopt(fd, level, name, bytes, 4), "setsockopt");
}

function check(result: number, call: string): number {
	if (result < 0) throw new Error(`${call}: error ${errorNumber()}`);
	return result;
}
