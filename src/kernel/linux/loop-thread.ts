// A worker thread with a BlockingLoop and nothing else in it. The main thread starts it with an entry module, and both exchange
// messages: an eventfd wakes the loop, which sleeps in ppoll and not in Node's event loop.

import {
	MessageChannel,
	type MessagePort,
	parentPort,
	receiveMessageOnPort,
	Worker,
	workerData,
} from "node:worker_threads";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "./abi/socket.ts";
import { BlockingLoop } from "./blocking-loop.ts";
import { libc } from "./libc.ts";
import { makeThreadRealTime, type RealTimeStatus } from "./real-time-thread.ts";

export interface LoopThreadOptions<Out> {
	/** A module that calls `runLoopThread`. */
	readonly entry: URL;
	/** Given to it; must be cloneable. */
	readonly data: unknown;
	/** 1 to 99; 0: ordinary. Default 50. */
	readonly realTimePriority?: number;
	readonly onMessage: (message: Out) => void;
	/** The thread has ended: by `stop`, or by an error that nobody caught. */
	readonly onEnd: (error: Error | undefined) => void;
}

export interface LoopThread<In> {
	/** In order. Wakes the loop. */
	post(message: In): void;
	/** Lets the loop return after the message before. */
	stop(): void;
}

/** What the entry module works with, inside the thread. */
export interface InsideLoopThread<In, Out, Data> {
	readonly loop: BlockingLoop;
	readonly data: Data;
	readonly realTime: RealTimeStatus | undefined;
	post(message: Out): void;
	onMessage(listener: (message: In) => void): void;
}

interface Started {
	readonly data: unknown;
	readonly priority: number;
	readonly wake: number;
	readonly port: MessagePort;
}

type Envelope<In> = { readonly message: In } | { readonly stop: true };

const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

export function startLoopThread<In, Out>(options: LoopThreadOptions<Out>): LoopThread<In> {
	const wake = libc.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC);
	const { port1, port2 } = new MessageChannel();
	const started: Started = { data: options.data, priority: options.realTimePriority ?? 50, wake, port: port2 };
	const worker = new Worker(options.entry, { workerData: started, transferList: [port2] });
	let failure: Error | undefined;
	let ended = false;
	worker.on("message", options.onMessage);
	worker.on("error", (error) => {
		failure = error instanceof Error ? error : new Error(String(error));
	});
	worker.on("exit", () => {
		ended = true;
		port1.close();
		libc.close(wake);
		options.onEnd(failure);
	});
	const send = (envelope: Envelope<In>) => {
		if (ended) return;
		port1.postMessage(envelope);
		libc.write(wake, one, one.length);
	};
	return { post: (message) => send({ message }), stop: () => send({ stop: true }) };
}

/** Called once by the entry module. Returns when the thread is to end; `start` sets up sockets and timers before. */
export function runLoopThread<In, Out, Data>(start: (inside: InsideLoopThread<In, Out, Data>) => void): void {
	const { data, priority, wake, port } = workerData as Started;
	const loop = new BlockingLoop();
	const listeners: ((message: In) => void)[] = [];
	const counter = Buffer.alloc(8);
	loop.watchReadable(wake, () => {
		libc.read(wake, counter, counter.length);
		for (;;) {
			const received = receiveMessageOnPort(port) as { readonly message: Envelope<In> } | undefined;
			if (!received) return;
			const envelope = received.message;
			if ("stop" in envelope) loop.stop();
			else for (const listener of listeners) listener(envelope.message);
		}
	});
	start({
		loop,
		data: data as Data,
		realTime: priority > 0 ? makeThreadRealTime(priority) : undefined,
		post: (message) => parentPort?.postMessage(message),
		onMessage: (listener) => listeners.push(listener),
	});
	loop.run();
	port.close();
}
