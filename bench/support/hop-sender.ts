// A closed-loop HTTP/1.1 sender on raw sockets, so that what is measured is the hop and not an HTTP library. Run as a
// program inside a network namespace: node hop-sender.ts HOST PORT AUTHORITY CONNECTIONS. It keeps its connections, and
// for each number N read from a line of its input sends N requests and prints {failed, latencyUs: {p50, p99, mean}}.

import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const [host = "", port = "", authority = "", connections = "1"] = process.argv.slice(2);
const request = Buffer.from(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);

interface Round {
	left: number;
	failed: number;
	readonly latenciesUs: number[];
}

/** Sends the next request of the round until none is left; settles when its last answer is there. */
type Sender = (round: Round) => Promise<void>;

const senders = await Promise.all(Array.from({ length: Number(connections) }, () => openSender()));
for await (const line of createInterface({ input: process.stdin })) {
	const round: Round = { left: Number(line), failed: 0, latenciesUs: [] };
	await Promise.all(senders.map((send) => send(round)));
	const sorted = round.latenciesUs.sort((a, b) => a - b);
	const quantile = (q: number): number => sorted[Math.floor(sorted.length * q)] ?? 0;
	const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
	console.log(JSON.stringify({ failed: round.failed, latencyUs: { p50: quantile(0.5), p99: quantile(0.99), mean } }));
}
process.exit(0);

function openSender(): Promise<Sender> {
	return new Promise((opened, reject) => {
		const socket: Socket = connect({ host, port: Number(port), noDelay: true });
		let round: Round | undefined;
		let sentNs = 0n;
		let received = "";
		let done = (): void => {};
		const next = (): void => {
			if (!round || round.left-- <= 0) {
				done();
				return;
			}
			received = "";
			sentNs = process.hrtime.bigint();
			socket.write(request);
		};
		socket.on("connect", () =>
			opened(
				(started) =>
					new Promise((resolve) => {
						round = started;
						done = resolve;
						next();
					}),
			),
		);
		socket.on("data", (chunk: Buffer) => {
			received += chunk.toString("latin1");
			const headEnd = received.indexOf("\r\n\r\n");
			if (headEnd < 0) return;
			const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
			if (received.length < headEnd + 4 + length) return;
			round?.latenciesUs.push(Number(process.hrtime.bigint() - sentNs) / 1000);
			if (round && !received.startsWith("HTTP/1.1 200")) round.failed++;
			next();
		});
		socket.on("error", reject);
		socket.on("close", () => reject(new Error("the proxy closed the connection")));
	});
}
