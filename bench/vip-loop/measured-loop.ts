// One process of the measurement, told by its argument what to be: a loop that measures itself, a host that sends adverts, or
// one that counts what calls cost. Prints its result as JSON.

import { isMainThread } from "node:worker_threads";
import { EventLoop } from "../../src/kernel/linux/event-loop.ts";
import { openLinuxHostNetwork } from "../../src/kernel/linux/linux-host-network.ts";
import { runLoopThread, startLoopThread } from "../../src/kernel/linux/loop-thread.ts";
import { monotonicUs } from "../../src/kernel/linux/monotonic-us.ts";
import { makeThreadRealTime } from "../../src/kernel/linux/real-time-thread.ts";
import type { RealTimeLoop } from "../../src/kernel/real-time-loop.ts";

export type LoopJob =
	| {
			readonly type: "receive";
			readonly netns: string;
			readonly seconds: number;
			readonly realTime: boolean;
			readonly kind: "event loop" | "own thread";
	  }
	| { readonly type: "send"; readonly netns: string; readonly seconds: number; readonly realTime: boolean }
	| { readonly type: "cost"; readonly netns: string };

export interface LoopResult {
	readonly timerUs: readonly number[];
	readonly heardUs: readonly number[];
	readonly costUs: Readonly<Record<string, readonly number[]>>;
	readonly rssMb: number;
}

const warmUpUs = 1e6;
const timerIntervalUs = 10_000;
const advertIntervalUs = 5_000;
const group = "224.0.0.18";
const socketOptions = { interface: "eth0", family: "ipv4", transport: { type: "multicast", group } } as const;

if (isMainThread) {
	const job = JSON.parse(process.argv[2] ?? "{}") as LoopJob;
	if (job.type === "cost") finish({ costUs: costs(job.netns) });
	else if (job.type === "receive" && job.kind === "own thread")
		startLoopThread<never, Partial<LoopResult>>({
			entry: new URL(import.meta.url),
			data: job,
			realTimePriority: job.realTime ? 50 : 0,
			onMessage: finish,
			onEnd: (error) => {
				if (error) throw error;
			},
		});
	else {
		if (job.realTime) makeThreadRealTime();
		const loop = new EventLoop((error) => {
			throw error;
		});
		if (job.type === "send") send(loop, job, () => finish({}));
		else receive(loop, job, finish);
	}
} else
	runLoopThread<never, Partial<LoopResult>, LoopJob>(({ loop, data, post }) => {
		if (data.type === "receive") receive(loop, data, post);
	});

function receive(
	loop: RealTimeLoop,
	job: { readonly netns: string; readonly seconds: number },
	done: (result: Partial<LoopResult>) => void,
): void {
	const network = openLinuxHostNetwork({ loop, netns: job.netns });
	const timerUs: number[] = [];
	const heardUs: number[] = [];
	// While a process starts, its thread has more to do than it will have later.
	const startUs = loop.nowUs() + warmUpUs;
	const opened = network.openVrrpSocket(socketOptions, ({ payload }) => {
		if (loop.nowUs() < startUs) return;
		const sentUs = Buffer.from(payload.buffer, payload.byteOffset, payload.length).readDoubleLE(8);
		heardUs.push(monotonicUs() - sentUs);
	});
	if (!opened.ok) throw new Error(opened.message);
	const endUs = startUs + job.seconds * 1e6;
	const tick = (nowUs: number, dueUs: number) => {
		if (dueUs >= startUs) timerUs.push(nowUs - dueUs);
		if (nowUs < endUs) loop.at(dueUs + timerIntervalUs, tick);
		else done({ timerUs, heardUs });
	};
	loop.at(loop.nowUs() + timerIntervalUs, tick);
}

function send(loop: RealTimeLoop, job: { readonly netns: string; readonly seconds: number }, done: () => void): void {
	const network = openLinuxHostNetwork({ loop, netns: job.netns });
	const opened = network.openVrrpSocket(socketOptions, () => {});
	if (!opened.ok) throw new Error(opened.message);
	const endUs = loop.nowUs() + job.seconds * 1e6;
	const bytes = Buffer.alloc(20);
	bytes[0] = 0x31;
	const tick = (nowUs: number, dueUs: number) => {
		bytes.writeDoubleLE(monotonicUs(), 8);
		opened.value.send(bytes, group);
		if (nowUs < endUs) loop.at(dueUs + advertIntervalUs, tick);
		else done();
	};
	loop.at(loop.nowUs() + advertIntervalUs, tick);
}

function costs(netns: string): LoopResult["costUs"] {
	const loop = new EventLoop(() => {});
	const network = openLinuxHostNetwork({ loop, netns });
	const vip = { address: "10.77.0.100", prefixLength: 24 };
	const opened = network.openVrrpSocket(socketOptions, () => {});
	if (!opened.ok) throw new Error(opened.message);
	const advert = new Uint8Array(20);
	const result: Record<string, number[]> = {};
	const measure = (what: string, run: () => unknown) => {
		const startUs = monotonicUs();
		run();
		const us = monotonicUs() - startUs;
		result[what] = [...(result[what] ?? []), us];
	};
	for (let round = 0; round < 1000; round++) {
		measure("address added and announced", () => {
			network.addAddress("eth0", vip);
			network.announce("eth0", vip.address);
		});
		measure("advert sent", () => opened.value.send(advert, group));
		measure("address removed", () => network.removeAddress("eth0", vip));
	}
	return result;
}

function finish(result: Partial<LoopResult>): void {
	const rssMb = process.memoryUsage.rss() / 1e6;
	const full: LoopResult = { timerUs: [], heardUs: [], costUs: {}, rssMb, ...result };
	process.stdout.write(JSON.stringify(full), () => process.exit());
}
