// Program: sends a UDP probe to an address on a fixed schedule and keeps what came back. Arguments: ADDRESS PORT INTERVAL_US.
// On standard input: `begin`, then `end`, which prints the ProbeRecord as one line of JSON; it ends with its input.

import { writeSync } from "node:fs";
import { BlockingLoop } from "../../kernel/linux/blocking-loop.ts";
import { makeThreadRealTime } from "../../kernel/linux/real-time-thread.ts";
import { onLines } from "./line-input.ts";
import type { ProbeAnswer } from "./probe-record.ts";
import { openProbeSocket, probeBytes } from "./probe-socket.ts";

/** Answers may still be under way when the last probe has left, on a busy machine for long. */
const lingerUs = 200_000;

const [address = "", port = "", intervalText = "1000"] = process.argv.slice(2);
const intervalUs = Number(intervalText);
const loop = new BlockingLoop();
let sentUs: number[] = [];
let answers: ProbeAnswer[] = [];
let mostLateUs = 0;
let running = false;
const socket = openProbeSocket(loop, {}, (bytes) => {
	const probe = bytes.readUInt32LE(0);
	// An answer to a probe of an earlier round is nobody's.
	if (bytes.readUInt8(5) === round)
		answers.push({ probe, atUs: loop.nowUs(), node: String.fromCharCode(bytes[4] ?? 63) });
});
const probe = Buffer.alloc(probeBytes);
let round = 0;

function send(dueUs: number): void {
	if (!running) return;
	const nowUs = loop.nowUs();
	mostLateUs = Math.max(mostLateUs, nowUs - dueUs);
	probe.writeUInt32LE(sentUs.length, 0);
	probe.writeUInt8(round, 5);
	sentUs.push(nowUs);
	socket.send(probe, address, Number(port));
	loop.at(dueUs + intervalUs, () => send(dueUs + intervalUs));
}

/** The reader is an ordinary process: while it is slower this one sleeps, or a busy machine would never let it read. */
function print(text: Buffer): void {
	try {
		const rest = text.subarray(writeSync(1, text));
		if (rest.length > 0) print(rest);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
		loop.at(loop.nowUs() + 1000, () => print(text));
	}
}

onLines(
	loop,
	(line) => {
		if (line === "begin") {
			sentUs = [];
			answers = [];
			mostLateUs = 0;
			running = true;
			round = (round + 1) % 256;
			send(loop.nowUs());
		} else {
			running = false;
			const record = (): string => JSON.stringify({ sentUs, answers, mostLateUs });
			loop.at(loop.nowUs() + lingerUs, () => print(Buffer.from(`${record()}\n`)));
		}
	},
	() => loop.stop(),
);
makeThreadRealTime(60);
loop.run();
socket.close();
process.exit(0);
