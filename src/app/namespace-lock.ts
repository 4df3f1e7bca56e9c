// One process of a kind for each network namespace: an abstract Unix socket belongs to the namespace and goes with the process, also
// when it is killed, so that a lock is never left behind. In: the name of the kind. Out: the lock, or that another process has it.

import { createServer, type Server } from "node:net";

const retryMs = 20;

/** Waits for a process that is just ending. Undefined: another one runs. `name`: of an abstract socket, with its leading NUL. */
export async function lockNamespace(waitMs: number, name: string, everyMs = retryMs): Promise<Server | undefined> {
	for (let waitedMs = 0; ; waitedMs += everyMs) {
		const server = await tryLock(name);
		if (server || waitedMs >= waitMs) return server;
		await new Promise((resolve) => setTimeout(resolve, everyMs));
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
