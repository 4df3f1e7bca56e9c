// New connections at a steady pace, each waiting for the server's greeting, until its input ends. In: host, port, pace and patience
// as arguments. Out: `works` after the first greeting; in the end one line of JSON, for each connection when it began (Unix time)
// and whether the greeting came.

import { connect } from "node:net";

export interface Probe {
	readonly atMs: number;
	readonly isOk: boolean;
}

/** Patience: longer than anything that is measured; a connection that hangs has failed. */
const [host = "", port = "", paceMs = "", patienceMs = ""] = process.argv.slice(2);
/** Who forgets it does not leave it behind. */
const longestMs = 20_000;

const pending: Promise<Probe>[] = [];
const startMs = performance.now();
let works = false;
let isOver = false;
process.stdin.once("close", () => {
	isOver = true;
});
process.stdin.resume();
for (let count = 0; !isOver && performance.now() - startMs < longestMs; ) {
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
			if (isOk && !works) process.stdout.write("works\n");
			works ||= isOk;
			resolve({ atMs, isOk });
		};
		const timer = setTimeout(() => finish(false), Number(patienceMs));
		socket.once("data", () => finish(true));
		socket.once("error", () => finish(false));
		socket.once("end", () => finish(false));
	});
}
