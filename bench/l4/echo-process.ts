// Program: echo servers in the namespace that it is started in, told by lines: `listen ADDRESS PORT`, `leave ADDRESS PORT` (takes no new
// connections, those that are there go on), `push ADDRESS PORT` (listens, and sends a word every 20 ms instead of an echo).
// Answers each line with `done`.

import { createServer, type Server } from "node:net";
import { createInterface } from "node:readline";

const servers = new Map<string, Server>();
for await (const line of createInterface({ input: process.stdin })) {
	const [word = "", address = "", port = ""] = line.split(" ");
	const key = `${address} ${port}`;
	if (word === "listen" || word === "push") {
		const server = createServer({ noDelay: true }, (socket) => {
			socket.on("error", () => {});
			if (word === "listen") {
				socket.pipe(socket);
				return;
			}
			const timer = setInterval(() => socket.write("!"), 20);
			socket.resume().on("close", () => clearInterval(timer));
		});
		servers.set(key, server);
		await new Promise<void>((resolve, reject) =>
			server.once("error", reject).listen({ host: address, port: Number(port), backlog: 1024 }, resolve),
		);
	} else {
		servers.get(key)?.close();
		servers.delete(key);
	}
	console.log("done");
}
process.exit(0);
