// Who is at the other end of a Unix socket, as the kernel noted it when the connection was made (SO_PEERCRED, unix(7)). In: the
// socket. Out: process, user and group; the process id is one of this process's own PID namespace, 0 where it has none there.

import type { Socket } from "node:net";
import { libc } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

export interface PeerCredentials {
	readonly pid: number;
	readonly uid: number;
	readonly gid: number;
}

/** Undefined for a socket that is no Unix socket, or is closed. */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
	const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
	if (fd === undefined || fd < 0) return undefined;
	const value = Buffer.alloc(12);
	const length = Buffer.from(Uint32Array.of(value.length).buffer);
	if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return undefined;
	return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}
