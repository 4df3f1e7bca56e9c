// Opens sockets with options, all or nothing. In: family, type, protocol, options. Out: a descriptor, or why not.

import type { Opened } from "../host-network.ts";
import { EOPNOTSUPP } from "./abi/errno.ts";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "./abi/socket.ts";
import { errorNumber, libc } from "./libc.ts";
import { systemFailure } from "./system-error.ts";

/** Level, name, value: a number stands for a C int. */
export type SocketOption = readonly [level: number, name: number, value: number | Uint8Array];

export interface SocketOrder {
	/** For failures: "the VRRP socket on eth0". */
	readonly what: string;
	readonly family: number;
	readonly type: number;
	readonly protocol: number;
	readonly options: readonly SocketOption[];
	/** `struct sockaddr_...` */
	readonly bind?: Uint8Array;
}

/** Never blocks, and is not inherited by other programs. */
export function openSocket(order: SocketOrder): Opened<number> {
	const fd = libc.socket(order.family, order.type | SOCK_NONBLOCK | SOCK_CLOEXEC, order.protocol);
	if (fd < 0) return systemFailure(errorNumber(), order.what);
	for (const [level, name, value] of order.options) {
		const bytes = typeof value === "number" ? intBytes(value) : value;
		if (libc.setsockopt(fd, level, name, bytes, bytes.length) === 0) continue;
		const failure = systemFailure(errorNumber() || EOPNOTSUPP, `${order.what}, option ${level}/${name}`);
		libc.close(fd);
		return failure;
	}
	if (order.bind && libc.bind(fd, order.bind, order.bind.length) !== 0) {
		const failure = systemFailure(errorNumber(), `${order.what}, its address`);
		libc.close(fd);
		return failure;
	}
	return { ok: true, value: fd };
}

function intBytes(value: number): Uint8Array {
	const bytes = Buffer.alloc(4);
	bytes.writeInt32LE(value);
	return bytes;
}
