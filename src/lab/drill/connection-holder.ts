// Program: opens connections and asks on each again and again, so that most of the time an answer is awaited. In: address, port and
// how many, as arguments. Out: `held` once each was answered; when all are closed, or its standard input ends, one line of JSON:
// the times of CLOCK_MONOTONIC in microseconds when each was closed, null for one that was not.

import { connect, type Socket } from "node:net";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";

const [host = "", port = "", count = ""] = process.argv.slice(2);
const pauseMs = 10;
const closedUs: (number | null)[] = Array.from({ length: Number(count) }, () => null);
let answered = 0;

const sockets = closedUs.map((_, index) => hold(index));
process.stdin.on("end", finish).resume();

function hold(index: number): Socket {
	const socket = connect(Number(port), host);
	let isFirst = true;
	const ask = (): void => {
		if (!socket.destroyed) socket.write(`GET /get HTTP/1.1\r\nhost: ${host}:${port}\r\n\r\n`);
	};
	socket.on("connect", ask);
	// An answer may come in pieces; to ask once more than needed does no harm.
	socket.on("data", () => {
		if (isFirst && ++answered === closedUs.length) process.stdout.write("held\n");
		isFirst = false;
		setTimeout(ask, pauseMs);
	});
	socket.on("error", () => {});
	socket.on("close", () => {
		closedUs[index] = monotonicUs();
		if (closedUs.every((one) => one !== null)) finish();
	});
	return socket;
}

function finish(): void {
	const line = `${JSON.stringify(closedUs)}\n`;
	for (const socket of sockets) socket.removeAllListeners("close").destroy();
	process.stdout.write(line, () => process.exit(0));
}
