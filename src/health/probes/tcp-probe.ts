// TCP: a new connection each interval. The last good one stays open, idle, and its end is asked about at once.

import { connect, type Socket } from "node:net";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { type CheckOutcome, startPolledProbe } from "./polled-probe.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { describeSocketError } from "./socket-error.ts";
import { drop, Tripwire } from "./tripwire.ts";

export function startTcpProbe(check: Extract<TrackerCheck, { type: "tcp" }>, context: ProbeContext): Probe {
	const tripwire = new Tripwire(
		() => context.clock.monotonicMs(),
		() => probe.recheck(),
	);
	const probe = startPolledProbe(
		check,
		async (signal) => {
			const opened = await openTcp(check, signal);
			if (!opened.ok) return opened;
			tripwire.keep(opened.socket);
			return { ok: true, because: "connected" };
		},
		context,
	);
	return {
		recheck: () => probe.recheck(),
		close: () => {
			probe.close();
			tripwire.close();
		},
	};
}

/** A connected socket, or why there is none. */
export function openTcp(
	target: { readonly host: string; readonly port: number },
	signal: AbortSignal,
): Promise<{ readonly ok: true; readonly socket: Socket } | (CheckOutcome & { readonly ok: false })> {
	return new Promise((resolve) => {
		const socket = connect({ host: target.host, port: target.port, noDelay: true });
		const fail = (because: string): void => {
			signal.removeEventListener("abort", aborted);
			drop(socket);
			resolve({ ok: false, because });
		};
		const aborted = (): void => fail("aborted");
		signal.addEventListener("abort", aborted, { once: true });
		socket.once("error", (error) => fail(describeSocketError(error)));
		socket.once("connect", () => {
			signal.removeEventListener("abort", aborted);
			socket.removeAllListeners("error");
			socket.on("error", () => undefined);
			resolve({ ok: true, socket });
		});
	});
}
