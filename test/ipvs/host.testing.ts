// A host of the guest's network: a thread that lives in one network namespace, serves and asks there. In: calls. Out: what came back.
// Servers answer each line with their name and the source they see; so a test knows who answered whom.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { libc } from "../../src/kernel/linux/libc.ts";

interface Calls {
	/** On all addresses of both families. */
	serveTcp(options: { readonly port: number; readonly name: string }): void;
	serveUdp(options: { readonly port: number; readonly name: string }): void;
	/** `NAME from SOURCE`, or `refused`, `reset`, `silence`. */
	ask(options: Asked): Promise<string>;
	askUdp(options: Asked): Promise<string>;
	/** Keeps the connection; `say` uses it. */
	open(options: Asked & { readonly id: string }): Promise<string>;
	say(options: { readonly id: string }): Promise<string>;
	/** With a reset. */
	abort(options: { readonly id: string }): void;
	read(options: { readonly path: string }): string;
}

export interface Asked {
	readonly address: string;
	readonly port: number;
	readonly from?: string;
	readonly timeoutMs?: number;
}

export class Host {
	readonly #worker: Worker;
	readonly #waiting = new Map<number, (answer: { readonly value?: unknown; readonly error?: string }) => void>();
	#calls = 0;

	constructor(namespace: string) {
		this.#worker = new Worker(new URL(import.meta.url), { workerData: { namespace } });
		this.#worker.on("message", ({ call, ...answer }) => {
			this.#waiting.get(call)?.(answer);
			this.#waiting.delete(call);
		});
	}

	call<Name extends keyof Calls>(
		name: Name,
		options: Parameters<Calls[Name]>[0],
	): Promise<Awaited<ReturnType<Calls[Name]>>> {
		const call = ++this.#calls;
		this.#worker.postMessage({ call, name, options });
		return new Promise((resolve, reject) => {
			this.#waiting.set(call, ({ error, value }) =>
				error === undefined ? resolve(value as Awaited<ReturnType<Calls[Name]>>) : reject(new Error(error)),
			);
		});
	}

	ask(options: Asked): Promise<string> {
		return this.call("ask", options);
	}

	/** One after another; how often each name answered. */
	async tally(times: number, options: Asked): Promise<Readonly<Record<string, number>>> {
		const found: Record<string, number> = {};
		for (let index = 0; index < times; index++) {
			const [name = ""] = (await this.ask(options)).split(" ");
			found[name] = (found[name] ?? 0) + 1;
		}
		return found;
	}

	async close(): Promise<void> {
		await this.#worker.terminate();
	}
}

if (!isMainThread) {
	const CLONE_NEWNET = 0x40000000;
	const namespace = openSync(`/run/netns/${workerData.namespace}`, "r");
	if (libc.setns(namespace, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${workerData.namespace}`);
	const connections = new Map<string, Socket>();
	const calls: Calls = {
		serveTcp: ({ name, port }) => {
			const server = createServer((socket) => {
				socket.on("data", () => socket.write(`${name} from ${plain(socket.remoteAddress)}\n`));
				socket.on("error", () => {});
			});
			server.listen({ port, host: "::", ipv6Only: false });
			return once(server, "listening") as unknown as undefined;
		},
		serveUdp: ({ name, port }) => {
			for (const type of ["udp4", "udp6"] as const) {
				const socket = createSocket({ type, ipv6Only: type === "udp6" });
				socket.on("message", (_, peer) => socket.send(`${name} from ${peer.address}`, peer.port, peer.address));
				socket.bind(port);
			}
		},
		ask: async (options) => {
			const { answer, socket } = await talk(options);
			socket.end();
			return answer;
		},
		askUdp: ({ address, from, port, timeoutMs = 1500 }) =>
			new Promise((resolve) => {
				const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
				let again: NodeJS.Timeout | undefined;
				const done = (answer: string) => {
					clearTimeout(timer);
					clearInterval(again);
					socket.removeAllListeners();
					socket.on("error", () => {});
					socket.close();
					resolve(answer);
				};
				const timer = setTimeout(() => done("silence"), timeoutMs);
				socket.on("error", () => done("refused"));
				socket.on("message", (bytes) => done(String(bytes)));
				socket.bind({ port: 0, ...(from && { address: from }) }, () => {
					socket.connect(port, address, () => {
						socket.send("hello");
						// The kernel says "refused" only so often to one address: what earlier tests asked counts as well.
						again = setInterval(() => socket.send("hello"), 300);
					});
				});
			}),
		open: async ({ id, ...options }) => {
			const { answer, socket } = await talk(options);
			connections.set(id, socket);
			return answer;
		},
		say: ({ id }) => {
			const socket = connections.get(id);
			return socket ? oneLine(socket, 2000) : Promise.resolve("no connection");
		},
		abort: ({ id }) => {
			connections.get(id)?.resetAndDestroy();
			connections.delete(id);
		},
		read: ({ path }) => readFileSync(path, "utf8"),
	};
	parentPort?.on("message", async ({ call, name, options }: { call: number; name: keyof Calls; options: never }) => {
		try {
			parentPort?.postMessage({ call, value: await calls[name](options) });
		} catch (error) {
			parentPort?.postMessage({ call, error: String(error) });
		}
	});
}

async function talk({ address, from, port, timeoutMs = 1500 }: Asked): Promise<{ answer: string; socket: Socket }> {
	const socket = connect({ host: address, port, ...(from && { localAddress: from }) });
	return { answer: await oneLine(socket, timeoutMs), socket };
}

function oneLine(socket: Socket, timeoutMs: number): Promise<string> {
	return new Promise((resolve) => {
		const done = (answer: string) => {
			clearTimeout(timer);
			socket.removeAllListeners("data");
			socket.removeAllListeners("error");
			socket.on("error", () => {});
			resolve(answer);
		};
		const timer = setTimeout(() => {
			if (socket.connecting) socket.destroy();
			done("silence");
		}, timeoutMs);
		socket.on("error", (error: NodeJS.ErrnoException) =>
			done(
				error.code === "ECONNREFUSED" || error.code === "EHOSTUNREACH"
					? "refused"
					: error.code === "ECONNRESET"
						? "reset"
						: String(error.code),
			),
		);
		socket.on("data", (bytes) => done(String(bytes).trim()));
		socket.write("hello\n");
	});
}

const plain = (address = ""): string => address.replace("::ffff:", "");
