// New connections at a steady pace, each waiting for the server's greeting. In: host, port, pace and duration as arguments. Out:
// one line of JSON, for each connection when it began (Unix time) and whether the greeting came.

import { connect } from "node:net";

export interface Probe {
	readonly atMs: number;
	readonly isOk: boolean;
}

const [host = "", port = "", paceMs = "", durationMs = ""] = process.argv.slice(2);
/** Longer than anything that is measured: a connection that hangs has failed. */
const patienceMs = 400;

const pending: Promise<Probe>[] = [];
const startMs = performance.now();
process.stdout.write("started\n");
for (let count = 0; performance.now() - startMs < Number(durationMs); ) {
	pending.push(probe());
	count++;
	const waitMs = startMs + count * Number(paceMs) - performance.now();
	await new Promise<void>((resolve) => (waitMs > 0 ? setTimeout(resolve, waitMs) : setImmediate(resolve)));
}
process.stdout.write(`${JSON.stringify(await Promise.all(pending))}\n`);

function probe(): Promise<Probe> {
	const atMs = performance.timeOrigin + performance.now();
	return new Promise((resolve) => {
		const socket = connect(Number(port), host);
		const finish = (isOk: boolean): void => {
			clearTimeout(timer);
			socket.destroy();
			resolve({ atMs, isOk });
		};
		const timer = setTimeout(() => finish(false), patienceMs);
		socket.once("data", () => finish(true));
		socket.once("error", () => finish(false));
		socket.once("end", () => finish(false));
	});
}
