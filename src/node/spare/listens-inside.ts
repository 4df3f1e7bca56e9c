// Whether somebody accepts connections on a loopback port of another network namespace. Each try is a connection that is closed
// at once.

import { Socket } from "node:net";
import { errorNumber, libc } from "../../kernel/linux/libc.ts";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** False also when the namespace is gone, or nothing answers within 1 s. */
export async function listensInside(netns: string, port: number): Promise<boolean> {
	let socket: Socket;
	try {
		socket = socketInside(netns);
	} catch {
		return false;
	}
	return new Promise((resolve) => {
		const end = (answer: boolean): void => {
			socket.destroy();
			resolve(answer);
		};
		socket.setTimeout(1_000, () => end(false));
		socket.on("error", () => end(false));
		socket.connect(port, "127.0.0.1", () => end(true));
	});
}

function socketInside(netns: string): Socket {
	const inside = insideNamespace(netns);
	try {
		const fd = inside.run(() => libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
		if (fd < 0) throw new Error(`socket: errno ${errorNumber()}`);
		return new Socket({ fd, readable: true, writable: true });
	} finally {
		inside.close();
	}
}
