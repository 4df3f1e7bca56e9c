// A closed-loop HTTP/1.1 sender on raw sockets, so that what is measured is the hop and not an HTTP library.
// Run as a program inside a network namespace: node raw-http-client.ts HOST PORT AUTHORITY CONNECTIONS REQUESTS
// prints {requests, failed, wallMs, latencyUs: {p50, p99, mean}} as JSON.

import { connect, type Socket } from "node:net";

const [host = "", port = "", authority = "", connections = "1", requests = "1000"] = process.argv.slice(2);
const request = Buffer.from(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
const perConnection = Math.ceil(Number(requests) / Number(connections));
const latenciesUs: number[] = [];
let failed = 0;

const startedNs = process.hrtime.bigint();
await Promise.all(Array.from({ length: Number(connections) }, () => runConnection()));
const wallMs = Number(process.hrtime.bigint() - startedNs) / 1e6;
latenciesUs.sort((a, b) => a - b);
const quantile = (q: number): number => latenciesUs[Math.floor(latenciesUs.length * q)] ?? 0;
const mean = latenciesUs.reduce((sum, value) => sum + value, 0) / latenciesUs.length;
console.log(
	JSON.stringify({
		requests: latenciesUs.length,
		failed,
		wallMs,
		latencyUs: { p50: quantile(0.5), p99: quantile(0.99), mean },
	}),
);

function runConnection(): Promise<void> {
	return new Promise((resolve, reject) => {
		const socket: Socket = connect({ host, port: Number(port), noDelay: true });
		let left = perConnection;
		let sentNs = 0n;
		let received = "";
		const send = (): void => {
			received = "";
			sentNs = process.hrtime.bigint();
			socket.write(request);
		};
		socket.on("connect", send);
		socket.on("data", (chunk: Buffer) => {
			received += chunk.toString("latin1");
			const headEnd = received.indexOf("\r\n\r\n");
			if (headEnd < 0) return;
			const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
			if (received.length < headEnd + 4 + length) return;
			latenciesUs.push(Number(process.hrtime.bigint() - sentNs) / 1000);
			if (!received.startsWith("HTTP/1.1 200")) failed++;
			if (--left > 0) send();
			else socket.end(() => resolve());
		});
		socket.on("error", reject);
	});
}
