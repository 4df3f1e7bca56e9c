// Kernel objects that Node has no class for, on Node's event loop: inotify, pidfds, the process connector. koffi is loaded by the
// first that needs it.

import { createRequire } from "node:module";

type Koffi = typeof import("koffi");

interface Kernel {
	readonly poll: Koffi["node"]["poll"];
	readonly syscall: (number: number, ...args: unknown[]) => number;
	readonly inotifyInit: (flags: number) => number;
	readonly inotifyAddWatch: (fd: number, path: string, mask: number) => number;
	readonly socket: (family: number, type: number, protocol: number) => number;
	readonly bind: (fd: number, address: Uint8Array, length: number) => number;
	readonly setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
	readonly connect: (fd: number, address: Uint8Array, length: number) => number;
	readonly send: (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
	readonly read: (fd: number, bytes: Uint8Array, length: number) => number;
	readonly close: (fd: number) => number;
	readonly errorNumber: () => number;
}

let loaded: Kernel | undefined;

export function kernel(): Kernel {
	if (loaded) return loaded;
	// Loaded in the middle of a synchronous start: a file's value is known when the start returns.
	const koffi = createRequire(import.meta.url)("koffi") as Koffi;
	const library = koffi.load(null);
	loaded = {
		poll: koffi.node.poll,
		syscall: library.func("long syscall(long number, ...)") as Kernel["syscall"],
		inotifyInit: library.func("int inotify_init1(int)"),
		inotifyAddWatch: library.func("int inotify_add_watch(int, const char *, uint32_t)"),
		socket: library.func("int socket(int, int, int)"),
		bind: library.func("int bind(int, const void *, uint32_t)"),
		setsockopt: library.func("int setsockopt(int, int, int, const void *, uint32_t)"),
		connect: library.func("int connect(int, const void *, uint32_t)"),
		send: library.func("intptr_t send(int, const void *, size_t, int)"),
		read: library.func("intptr_t read(int, void *, size_t)"),
		close: library.func("int close(int)"),
		errorNumber: koffi.errno,
	};
	return loaded;
}

export interface ReadableDescriptor {
	/** Bytes of one message, valid until the next call; undefined when there is none now. */
	read(): Buffer | undefined;
	close(): void;
}

/** Takes the descriptor over: `close` closes it. */
export function watchDescriptor(fd: number, bufferBytes: number, onReadable: () => void): ReadableDescriptor {
	const { poll, read, close } = kernel();
	const buffer = Buffer.alloc(bufferBytes);
	const handle = poll(fd, { readable: true }, onReadable);
	let open = true;
	return {
		read: () => {
			const length = open ? Number(read(fd, buffer, bufferBytes)) : 0;
			return length > 0 ? buffer.subarray(0, length) : undefined;
		},
		close: () => {
			if (!open) return;
			open = false;
			handle.close();
			close(fd);
		},
	};
}

const pidfdOpen = 434;

/** Calls back once when the process ends, within a fraction of a millisecond; undefined when there is no such process. */
export function watchProcessEnd(pid: number, onEnd: () => void): { close(): void } | undefined {
	const fd = Number(kernel().syscall(pidfdOpen, "int", pid, "uint", 0));
	if (fd < 0) return undefined;
	const descriptor = watchDescriptor(fd, 0, () => {
		descriptor.close();
		onEnd();
	});
	return { close: () => descriptor.close() };
}
