// Entry of a loop thread in tests and measurements: echoes messages, and measures its own timers.

import { runLoopThread } from "./loop-thread.ts";

export interface TimerMeasurement {
	readonly type: "measureTimers";
	readonly count: number;
	readonly intervalUs: number;
}

type In = { readonly type: "echo"; readonly text: string } | { readonly type: "fail" } | TimerMeasurement;
export type Out =
	| { readonly type: "echo"; readonly text: string; readonly scheduling: string }
	| { readonly type: "lateness"; readonly us: readonly number[] };

runLoopThread<In, Out, { readonly name: string }>(({ loop, data, realTime, post, onMessage }) => {
	onMessage((message) => {
		if (message.type === "fail") throw new Error("told to fail");
		if (message.type === "echo") {
			post({ type: "echo", text: `${data.name}: ${message.text}`, scheduling: realTime?.scheduling ?? "untouched" });
			return;
		}
		const us: number[] = [];
		const next = (nowUs: number, dueUs: number) => {
			us.push(nowUs - dueUs);
			if (us.length < message.count) loop.at(dueUs + message.intervalUs, next);
			else post({ type: "lateness", us });
		};
		loop.at(loop.nowUs() + message.intervalUs, next);
	});
});
