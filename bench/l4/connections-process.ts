// Program: HOST PORT HELD RATE PERIOD. Holds so many connections, each with a word sent every PERIOD ms (0: never) and awaited, and opens RATE new ones a
// second on a fixed schedule (a word there and back, then closed), however long they take. Told by lines: `mark` forgets what
// was before, `report` prints what happened since as JSON, `end` stops new ones and prints it once all are through.

import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

export interface ConnectionsReport {
	readonly held: number;
	/** Had an answer since the mark, and no error. */
	readonly alive: number;
	readonly opened: number;
	readonly answered: number;
	/** Why others were not, by the system's word. */
	readonly lost: Readonly<Record<string, number>>;
	/** The longest time from the mark, or between two answers, of a held connection that lives. */
	readonly longestGapMs: number;
}

const [host = "", port = "", heldCount = "0", rate = "0", periodMs = "50"] = process.argv.slice(2);
const answerMs = 3000;

interface Held {
	readonly socket: Socket;
	isBroken: boolean;
	lastMs: number;
	gapMs: number;
	answers: number;
}

const held = await Promise.all(Array.from({ length: Number(heldCount) }, openHeld));
let opened = 0;
let answered = 0;
let lost: Record<string, number> = {};
let isOpening = true;
let underWay = 0;

const perTickMs = 5;
const startedMs = performance.now();
let due = 0;
const opener = setInterval(() => {
	if (!isOpening) return;
	const shouldBe = ((performance.now() - startedMs) * Number(rate)) / 1000;
	for (; due < shouldBe; due++) void openOne();
}, perTickMs);

if (Number(periodMs) > 0)
	setInterval(() => {
		for (const one of held) if (!one.isBroken) one.socket.write("?");
	}, Number(periodMs));

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
	if (line === "mark") {
		opened = 0;
		answered = 0;
		lost = {};
		for (const one of held) Object.assign(one, { lastMs: performance.now(), gapMs: 0, answers: 0 });
		console.log("marked");
		continue;
	}
	if (line === "end") {
		isOpening = false;
		clearInterval(opener);
		while (underWay > 0) await sleep(10);
	}
	const alive = held.filter((one) => !one.isBroken && one.answers > 0);
	const longestGapMs = Math.max(0, ...alive.map(({ gapMs }) => gapMs));
	const report: ConnectionsReport = { held: held.length, alive: alive.length, opened, answered, lost, longestGapMs };
	console.log(JSON.stringify(report));
}
process.exit(0);

function openHeld(): Promise<Held> {
	return new Promise((resolve, reject) => {
		const socket = connect({ host, port: Number(port), noDelay: true });
		const one: Held = { socket, isBroken: false, lastMs: performance.now(), gapMs: 0, answers: 0 };
		socket.on("connect", () => resolve(one));
		socket.on("data", () => {
			one.gapMs = Math.max(one.gapMs, performance.now() - one.lastMs);
			one.lastMs = performance.now();
			one.answers++;
		});
		socket.on("error", (error) => reject(error));
		socket.on("close", () => {
			one.isBroken = true;
		});
	});
}

function openOne(): Promise<void> {
	opened++;
	underWay++;
	return new Promise((resolve) => {
		const socket = connect({ host, port: Number(port), noDelay: true });
		const finish = (loss?: string): void => {
			if (isOver) return;
			isOver = true;
			underWay--;
			clearTimeout(timer);
			if (loss === undefined) answered++;
			else lost[loss] = (lost[loss] ?? 0) + 1;
			resolve();
		};
		let isOver = false;
		const timer = setTimeout(() => {
			finish("silent");
			socket.destroy();
		}, answerMs);
		socket.on("connect", () => socket.write("?"));
		socket.on("data", () => {
			finish();
			socket.end();
		});
		socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
		socket.on("close", () => finish("closed"));
	});
}
