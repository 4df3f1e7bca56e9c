// The system calls that virtual IPs need, by koffi. In: numbers and buffers laid out as the kernel has them. Out: what the call
// returned; `errorNumber()` right after a -1 tells why. A call costs about half a microsecond.

import koffi from "koffi";

const library = koffi.load(null);
/** Functions are typed by hand: koffi checks them when they are called. */
const bind = <Call extends (...args: never[]) => unknown>(prototype: string): Call =>
	library.func(prototype) as unknown as Call;

/** Bytes, or the address of memory from `allocate`. */
type Memory = Uint8Array | bigint | null;

export const libc = {
	socket: bind<(family: number, type: number, protocol: number) => number>("int socket(int, int, int)"),
	close: bind<(fd: number) => number>("int close(int)"),
	bind: bind<(fd: number, address: Memory, length: number) => number>("int bind(int, const void *, uint32_t)"),
	getsockname: bind<(fd: number, address: Memory, length: Memory) => number>("int getsockname(int, void *, void *)"),
	getsockopt: bind<(fd: number, level: number, name: number, value: Memory, length: Memory) => number>(
		"int getsockopt(int, int, int, void *, void *)",
	),
	setsockopt: bind<(fd: number, level: number, name: number, value: Memory, length: number) => number>(
		"int setsockopt(int, int, int, const void *, uint32_t)",
	),
	send: bind<(fd: number, bytes: Memory, length: number, flags: number) => number>(
		"intptr_t send(int, const void *, size_t, int)",
	),
	sendto: bind<(fd: number, bytes: Memory, length: number, flags: number, to: Memory, toLength: number) => number>(
		"intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)",
	),
	recv: bind<(fd: number, bytes: Memory, length: number, flags: number) => number>(
		"intptr_t recv(int, void *, size_t, int)",
	),
	recvfrom: bind<
		(fd: number, bytes: Memory, length: number, flags: number, from: Memory, fromLength: Memory) => number
	>("intptr_t recvfrom(int, void *, size_t, int, void *, void *)"),
	recvmsg: bind<(fd: number, header: Memory, flags: number) => number>("intptr_t recvmsg(int, void *, int)"),
	read: bind<(fd: number, bytes: Memory, length: number) => number>("intptr_t read(int, void *, size_t)"),
	write: bind<(fd: number, bytes: Memory, length: number) => number>("intptr_t write(int, const void *, size_t)"),
	ppoll: bind<(fds: Memory, count: number, timeout: Memory, mask: Memory) => number>(
		"int ppoll(void *, uint64_t, const void *, const void *)",
	),
	eventfd: bind<(value: number, flags: number) => number>("int eventfd(unsigned int, int)"),
	timerfd_create: bind<(clock: number, flags: number) => number>("int timerfd_create(int, int)"),
	timerfd_settime: bind<(fd: number, flags: number, value: Memory, old: Memory) => number>(
		"int timerfd_settime(int, int, const void *, void *)",
	),
	setns: bind<(fd: number, type: number) => number>("int setns(int, int)"),
	sched_setscheduler: bind<(thread: number, policy: number, parameters: Memory) => number>(
		"int sched_setscheduler(int, int, const void *)",
	),
	prctl: bind<(option: number, argument: number, third: number, fourth: number, fifth: number) => number>(
		"int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)",
	),
};

/** The same calls on another thread, for those that keep the kernel busy for long. The memory must stay as it is meanwhile. */
export const libcLater = {
	send: bindLater("intptr_t send(int, const void *, size_t, int)"),
	recv: bindLater("intptr_t recv(int, void *, size_t, int)"),
};

export interface LaterResult {
	readonly result: number;
	/** `errno`, when the result is negative. */
	readonly error: number;
}

function bindLater(prototype: string) {
	const call = library.func(prototype) as unknown as {
		async(...args: readonly [number, Buffer, number, number, (error: Error | null, result: number) => void]): void;
	};
	return (fd: number, bytes: Buffer, length: number, flags: number): Promise<LaterResult> =>
		new Promise((resolve, reject) => {
			call.async(fd, bytes, length, flags, (error, result) => {
				// Also keeps the memory until now.
				if (error || bytes.length < length) reject(error ?? new Error("the memory is too small"));
				else resolve({ result, error: result < 0 ? koffi.errno() : 0 });
			});
		});
}

/** `errno` of the last call on this thread. */
export const errorNumber = (): number => koffi.errno();

export interface NativeMemory {
	readonly address: bigint;
	readonly bytes: Buffer;
}

/** Zeroed memory that stays where it is, for structures that point to each other. It is never given back. */
export function allocate(length: number): NativeMemory {
	const address = koffi.address(koffi.alloc("uint8_t", length));
	const bytes = Buffer.from(koffi.view(address, length)).fill(0);
	return { address, bytes };
}

/** Adds a file descriptor to this thread's event loop; only possible through koffi, since Node takes no foreign sockets. */
export const pollOnEventLoop = (fd: number, onReadable: () => void): { close(): void } =>
	koffi.node.poll(fd, { readable: true }, onReadable);
