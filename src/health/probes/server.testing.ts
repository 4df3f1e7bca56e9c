// A server in a process of its own, so that a test can kill it: TCP, HTTP, HTTPS or gRPC health on a free port of loopback. What it
// answers is told to it on its standard input, one word a line.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const programs = {
	tcp: `
		require("node:net").createServer((socket) => socket.on("error", () => 0)).listen(PORT, "127.0.0.1", said);
		onWord(() => 0);`,
	http: `
		let answer = 200;
		onWord((word) => { answer = word; });
		const server = require("node:http").createServer((request, response) => {
			if (answer === "hang") return;
			const headers = answer === "302" ? { location: "http://127.0.0.1:1/" } : {};
			response.writeHead(Number(answer), headers).end("body");
		}).listen(PORT, "127.0.0.1", said);`,
	grpc: `
		const http2 = require("node:http2");
		let status = 1, watch = true;
		const watchers = new Set();
		const frame = () => Buffer.from([0, 0, 0, 0, 2, 8, status]);
		onWord((word) => {
			if (word === "nowatch") watch = false;
			else { status = Number(word); for (const stream of watchers) stream.write(frame()); }
		});
		http2.createServer().on("stream", (stream, headers) => {
			stream.on("error", () => 0);
			const known = { ":status": 200, "content-type": "application/grpc" };
			const chunks = [];
			stream.on("data", (bytes) => chunks.push(bytes));
			stream.on("end", () => {
				const service = Buffer.concat(chunks).subarray(7).toString();
				const method = headers[":path"];
				const end = (code) => { stream.respond({ ...known, "grpc-status": code }, { endStream: true }); };
				if (service === "missing") return end("5");
				if (method.endsWith("/Watch")) {
					if (!watch) return end("12");
					stream.respond(known);
					stream.write(frame());
					watchers.add(stream);
					stream.on("close", () => watchers.delete(stream));
					return;
				}
				stream.respond(known, { waitForTrailers: true });
				stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
				stream.end(frame());
			});
		}).listen(PORT, "127.0.0.1", said);`,
};

const prelude = `
	const onWord = (take) => require("node:readline").createInterface({ input: process.stdin }).on("line", take);
	function said() { console.log(this.address().port); }
	process.stdin.on("end", () => process.exit());`;

export class ServerProcess {
	readonly child: ChildProcess;
	readonly port: number;

	constructor(child: ChildProcess, port: number) {
		this.child = child;
		this.port = port;
	}

	say(word: string): void {
		this.child.stdin?.write(`${word}\n`);
	}

	/** Kills it; the moment of the kill is what is measured from. */
	async kill(): Promise<void> {
		if (this.child.exitCode !== null || this.child.signalCode !== null) return;
		const ended = once(this.child, "exit");
		this.child.kill("SIGKILL");
		await ended;
	}
}

export async function startServer(kind: keyof typeof programs, port = 0): Promise<ServerProcess> {
	const source = `${prelude}${programs[kind].replaceAll("PORT", String(port))}`;
	const child = spawn(process.execPath, ["-e", source], { stdio: ["pipe", "pipe", "inherit"] });
	for await (const line of createInterface({ input: child.stdout })) return new ServerProcess(child, Number(line));
	throw new Error(`no ${kind} server`);
}
