// Ports of the lab on 127.0.0.1 of the machine: accepts here, connects from inside the lab's client namespace. The target is
// asked for at each connection, so that it may move.

import { createServer, type Server, type Socket } from "node:net";
import { connectInNamespace } from "./namespace-socket.ts";

export interface ForwardTarget {
	readonly host: string;
	readonly port: number;
}

export interface Forward {
	readonly name: string;
	/** On 127.0.0.1. */
	readonly port: number;
	/** What was asked for; differs when that one was taken. */
	readonly wantedPort: number;
	close(): void;
}

export interface ForwardOptions {
	readonly name: string;
	/** The next free one is taken when it is busy; 0: any. */
	readonly port: number;
	readonly netnsPath: string;
	/** In order of preference; empty while there is none. */
	readonly targets: () => readonly ForwardTarget[];
}

const connectTimeoutMs = 3000;
const portsTried = 100;

export async function startForward(options: ForwardOptions): Promise<Forward> {
	const open = new Set<Socket>();
	const server = createServer({ allowHalfOpen: true }, (incoming) => {
		open.add(incoming);
		incoming.on("close", () => open.delete(incoming)).on("error", () => incoming.destroy());
		void connectFirst(options).then((outgoing) => {
			if (!outgoing || incoming.destroyed) {
				incoming.destroy();
				outgoing?.destroy();
				return;
			}
			incoming.setNoDelay(true);
			outgoing.setNoDelay(true);
			outgoing.on("error", () => incoming.destroy()).on("close", () => incoming.destroy());
			incoming.on("close", () => outgoing.destroy());
			incoming.pipe(outgoing).pipe(incoming);
		});
	});
	const port = await listenNear(server, options.port);
	return {
		name: options.name,
		port,
		wantedPort: options.port,
		close: () => {
			server.close();
			for (const socket of open) socket.destroy();
		},
	};
}

async function connectFirst(options: ForwardOptions): Promise<Socket | undefined> {
	for (const target of options.targets()) {
		try {
			return await connectInNamespace(options.netnsPath, target, connectTimeoutMs);
		} catch {
			// The next one may answer; when none does, the caller closes the connection, as a dead server would.
		}
	}
	return undefined;
}

async function listenNear(server: Server, wanted: number): Promise<number> {
	for (let port = wanted; port < wanted + portsTried; port++) {
		const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
			server.once("error", resolve);
			server.listen(port, "127.0.0.1", () => {
				server.off("error", resolve);
				resolve(undefined);
			});
		});
		if (!failure) {
			const address = server.address();
			return typeof address === "object" && address ? address.port : port;
		}
		if (failure.code !== "EADDRINUSE" && failure.code !== "EACCES") throw failure;
	}
	throw new Error(`no free port on 127.0.0.1 from ${wanted} to ${wanted + portsTried - 1}`);
}
