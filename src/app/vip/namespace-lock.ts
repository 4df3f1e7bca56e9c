// One vip process for each network namespace: an abstract Unix socket belongs to the namespace and goes with the process, also
// when it is killed, so that a lock is never left behind.

import { createServer, type Server } from "node:net";

const lockName = "\0keepmesh-vip";
const retryMs = 20;

/** Waits for a process that is just ending. Undefined: another one runs. */
export async function lockNamespace(waitMs: number, name = lockName): Promise<Server | undefined> {
	for (let waitedMs = 0; ; waitedMs += retryMs) {
		const server = await tryLock(name);
		if (server || waitedMs >= waitMs) return server;
		await new Promise((resolve) => setTimeout(resolve, retryMs));
	}
}

function tryLock(name: string): Promise<Server | undefined> {
	return new Promise((resolve) => {
		const server = createServer((socket) => socket.destroy());
		server.once("error", () => resolve(undefined));
		server.listen(name, () => {
			server.unref();
			resolve(server);
		});
	});
}
