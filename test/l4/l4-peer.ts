// Program: serves and connects inside a network namespace as its parent tells it, one JSON line each way. Every server says
// `ITS-ADDRESS:PORT SOURCE` to whoever comes, then echoes.

import { createSocket } from "node:dgram";
import { createServer, isIPv6 } from "node:net";
import { createInterface } from "node:readline";
import type { PeerCommand } from "./peer-command.ts";
import { sendProbe } from "./send-probe.ts";

for await (const line of createInterface({ input: process.stdin })) {
	const { id, command } = JSON.parse(line) as { id: number; command: PeerCommand };
	void perform(command)
		.catch((error: unknown) => ({ failed: String(error) }))
		.then((result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`));
}
process.exit(0);

async function perform(command: PeerCommand): Promise<unknown> {
	switch (command.op) {
		case "serve":
			for (const address of command.addresses)
				for (const port of command.ports) await Promise.all([serveTcp(address, port), serveUdp(address, port)]);
			return {};
		case "probe":
			return Promise.all(command.probes.map(sendProbe));
		default:
			return command satisfies never;
	}
}

function serveTcp(address: string, port: number): Promise<void> {
	const server = createServer({ noDelay: true }, (socket) => {
		socket.on("error", () => {});
		socket.write(`${hostPort(address, port)} ${socket.remoteAddress}\n`);
		socket.pipe(socket);
	});
	return new Promise((resolve, reject) => {
		server.once("error", reject).listen({ port, host: address, backlog: 1024 }, resolve);
	});
}

/** Bound to the one address: a wildcard socket would answer from another one. */
function serveUdp(address: string, port: number): Promise<void> {
	const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
	socket.on("message", (_, from) => {
		socket.send(`${hostPort(address, port)} ${from.address}\n`, from.port, from.address);
	});
	return new Promise((resolve, reject) => {
		socket.once("error", reject).bind(port, address, resolve);
	});
}

function hostPort(address: string, port: number): string {
	return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
