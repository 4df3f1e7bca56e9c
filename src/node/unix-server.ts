// Listens on a Unix socket whose file may be left over from a killed process.

import { chmod, chown, rm } from "node:fs/promises";
import { connect, type Server } from "node:net";

export interface SocketAccess {
	readonly mode: number;
	/** Group that may connect as well; default root's. */
	readonly gid?: number;
}

/** Throws when another process answers on it. */
export async function listenOnSocket(server: Server, path: string, access: SocketAccess): Promise<void> {
	if (await answersOnSocket(path)) throw new Error(`another process listens on ${path}`);
	await rm(path, { force: true });
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject).listen(path, () => {
			server.off("error", reject);
			resolve();
		});
	});
	await secureSocket(path, access);
}

export async function secureSocket(path: string, access: SocketAccess): Promise<void> {
	if (access.gid !== undefined) await chown(path, process.getuid?.() ?? 0, access.gid);
	await chmod(path, access.mode);
}

/** Whether a process accepts connections on a Unix socket. */
export function answersOnSocket(path: string): Promise<boolean> {
	return new Promise((resolve) => {
		const probe = connect(path);
		probe.once("connect", () => {
			probe.destroy();
			resolve(true);
		});
		probe.once("error", () => resolve(false));
	});
}
