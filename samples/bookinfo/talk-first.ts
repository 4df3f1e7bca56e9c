// A TCP server that speaks first, like MySQL (a greeting with its length in front), or that waits for commands, like Redis
// (PING, ECHO, INFO). Answers name the pod.

import { createServer, type Socket } from "node:net";
import { self } from "./serve.ts";

export function serveGreeting(port = Number(process.env.PORT ?? 3306)): void {
	listen(port, (socket) => {
		const text = Buffer.from(`\x0a8.0.0-${self.pod}\0`, "latin1");
		// MySQL's packet: three bytes of length, low first, then the number of the packet.
		socket.write(Buffer.concat([Buffer.from([text.length & 255, text.length >> 8, 0, 0]), text]));
		socket.on("data", (data) => socket.write(data));
	});
}

export function serveRedis(port = Number(process.env.PORT ?? 6379)): void {
	listen(port, (socket) => {
		let pending = "";
		socket.on("data", (data) => {
			pending += data.toString("latin1");
			if (pending.length > 100_000) socket.destroy();
			// Both forms of a command: a line, and an array of `$length` texts whose lengths are not needed here.
			for (;;) {
				const words = takeCommand();
				if (!words) return;
				socket.write(replyTo(words));
			}
		});
		function takeCommand(): readonly string[] | undefined {
			const lines = pending.split("\r\n");
			if (lines.length < 2) return undefined;
			if (!pending.startsWith("*")) {
				pending = lines.slice(1).join("\r\n");
				return (lines[0] ?? "").split(" ");
			}
			const needed = 1 + 2 * Number((lines[0] ?? "*0").slice(1));
			if (!(lines.length > needed)) return undefined;
			pending = lines.slice(needed).join("\r\n");
			return lines.slice(1, needed).filter((_, index) => index % 2 === 1);
		}
	});
}

function replyTo([command = "", ...rest]: readonly string[]): string {
	const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
	switch (command.toUpperCase()) {
		case "PING":
			return "+PONG\r\n";
		case "ECHO":
			return bulk(rest.join(" "));
		case "INFO":
			return bulk(`pod:${self.pod}`);
		default:
			return `-ERR unknown command '${command.slice(0, 40)}'\r\n`;
	}
}

function listen(port: number, talk: (socket: Socket) => void): void {
	const server = createServer((socket) => {
		socket.on("error", () => socket.destroy());
		talk(socket);
	});
	server.listen(port, "0.0.0.0", () => console.log(`${self.service} listens on ${port}`));
	process.once("SIGTERM", () => process.exit(0));
}
