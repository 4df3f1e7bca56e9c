// Orders to send: single requests, loads that are noted one by one or only counted, connections that are held open. Several loads at
// once go by names. All times are microseconds of CLOCK_MONOTONIC, which all pods of a node share.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import { sendLogged } from "../../lab/drill/send-logged.ts";
import type { LoadRequest } from "../../lab/load/load-report.ts";
import { sendLoad } from "../../lab/load/send-load.ts";
import type { OrderGroup } from "./order-group.ts";

export type LoadOrder =
	| { readonly order: "clock" }
	/** One request; answers with its status, 0 for none, and its headers. */
	| {
			readonly order: "ask";
			readonly host: string;
			readonly port: number;
			readonly path?: string;
			readonly headers?: Readonly<Record<string, string>>;
	  }
	/** Each request noted: `stopSending` answers with a RequestLog. */
	| { readonly order: "send"; readonly load: LoadRequest; readonly as?: string }
	/** Only counted: `stopSending` answers with a LoadReport. */
	| { readonly order: "count"; readonly load: LoadRequest; readonly as?: string }
	| { readonly order: "stopSending"; readonly as?: string }
	| { readonly order: "holdOpen"; readonly host: string; readonly port: number; readonly count: number }
	| { readonly order: "heldOpen"; readonly withinMs: number };

const holderProgram = fileURLToPath(new URL("../../lab/drill/connection-holder.ts", import.meta.url));
const onlyLoad = "load";
const sending = new Map<string, { readonly stop: AbortController; readonly report: Promise<object> }>();
let holder: { readonly child: ChildProcess; readonly closed: Promise<unknown[]> } | undefined;

export const loadOrders: OrderGroup<LoadOrder> = {
	clock: () => ({ atUs: monotonicUs() }),
	ask: (asked) => answerOf(asked),
	send: ({ as, load }) => begin(as, (signal) => sendLogged(load, signal)),
	count: ({ as, load }) => begin(as, (signal) => sendLoad(load, signal)),
	stopSending: async ({ as = onlyLoad }) => {
		const sender = sending.get(as);
		if (!sender) throw new Error(`nothing is sent as ${as}`);
		sending.delete(as);
		sender.stop.abort();
		return sender.report;
	},
	holdOpen: async ({ count, host, port }) => {
		const args = ["--no-warnings", holderProgram, host, String(port), String(count)];
		const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
		const lines = createInterface({ input: child.stdout });
		await once(lines, "line", { signal: AbortSignal.timeout(10_000) });
		holder = { child, closed: once(lines, "line") };
		return {};
	},
	heldOpen: async ({ withinMs }) => {
		const ended = holder;
		if (!ended) return { closedUs: [] };
		const timer = setTimeout(() => ended.child.stdin?.end(), withinMs);
		const [line] = await ended.closed;
		clearTimeout(timer);
		ended.child.stdin?.end();
		return { closedUs: JSON.parse(String(line)) };
	},
};

function begin(as: string | undefined, run: (signal: AbortSignal) => Promise<object>): object {
	const name = as ?? onlyLoad;
	// Of a drill that was cut off.
	sending.get(name)?.stop.abort();
	const stop = new AbortController();
	const report = run(stop.signal);
	report.catch(() => {});
	sending.set(name, { stop, report });
	return {};
}

function answerOf({ headers, host, path, port }: Extract<LoadOrder, { readonly order: "ask" }>): Promise<object> {
	const options = { host, port, path: path ?? "/get", headers: { ...headers }, timeout: 2_000, agent: false as const };
	return new Promise((resolve) => {
		const asked = request(options, (response) => {
			response.resume();
			resolve({ status: response.statusCode, headers: response.headers });
		});
		asked.on("timeout", () => asked.destroy());
		asked.on("error", () => resolve({ status: 0, headers: {} })).end();
	});
}
