// The kernel says which processes execute something, take another name or end (cn_proc). One socket for the whole process. It
// takes CAP_NET_ADMIN and the first network namespace; without them there is none, and /proc is read again and again instead.

import { kernel, type ReadableDescriptor, watchDescriptor } from "./readable-descriptor.ts";

/** `lost`: events were dropped, anything may have happened. */
export type ProcessEvent = { readonly type: "changed"; readonly pid: number } | { readonly type: "lost" };

const netlink = 16;
const datagram = 2 | 0o2004000;
const connector = 11;
const noBuffers = 105;
const execEvent = 0x2;
const nameEvent = 0x200;

const listeners = new Set<(event: ProcessEvent) => void>();
let socket: ReadableDescriptor | undefined;

/** Undefined where the kernel does not let this process hear. */
export function watchProcesses(listener: (event: ProcessEvent) => void): { close(): void } | undefined {
	socket ??= open();
	if (!socket) return undefined;
	listeners.add(listener);
	return {
		close: () => {
			listeners.delete(listener);
			if (listeners.size > 0) return;
			socket?.close();
			socket = undefined;
		},
	};
}

function open(): ReadableDescriptor | undefined {
	const { socket: openSocket, bind, send, close } = kernel();
	const fd = openSocket(netlink, datagram, connector);
	if (fd < 0) return undefined;
	const address = Buffer.alloc(12);
	address.writeUInt16LE(netlink, 0);
	address.writeUInt32LE(1, 8);
	// Older kernels take only the short form; newer ones narrow it down by the long one.
	const asked =
		bind(fd, address, 12) === 0 &&
		send(fd, listen(), 40, 0) === 40 &&
		send(fd, listen(execEvent | nameEvent), 44, 0) > 0;
	if (!asked) {
		close(fd);
		return undefined;
	}
	const descriptor = watchDescriptor(fd, 4096, () => readEvents(descriptor));
	return descriptor;
}

function listen(events?: number): Buffer {
	const extra = events === undefined ? 4 : 8;
	const bytes = Buffer.alloc(36 + extra);
	bytes.writeUInt32LE(bytes.length, 0);
	bytes.writeUInt16LE(3, 4);
	bytes.writeUInt32LE(1, 16);
	bytes.writeUInt32LE(1, 20);
	bytes.writeUInt16LE(extra, 32);
	bytes.writeUInt32LE(1, 36);
	if (events !== undefined) bytes.writeUInt32LE(events, 40);
	return bytes;
}

function readEvents(descriptor: ReadableDescriptor): void {
	for (let bytes = descriptor.read(); bytes; bytes = descriptor.read()) {
		if (bytes.length < 60) continue;
		const what = bytes.readUInt32LE(36);
		if (what === execEvent || what === nameEvent) tell({ type: "changed", pid: bytes.readUInt32LE(56) });
	}
	if (kernel().errorNumber() === noBuffers) tell({ type: "lost" });
}

function tell(event: ProcessEvent): void {
	for (const listener of [...listeners]) listener(event);
}
