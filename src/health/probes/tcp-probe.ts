// TCP: a new connection each interval. The last good one stays open, idle, and its end is asked about at once.

import { connect } from "node:net";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { startPolledProbe } from "./polled-probe.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { Tripwire } from "./tripwire.ts";
import { type Connected, untilConnected } from "./until-connected.ts";

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

export function openTcp(
	target: { readonly host: string; readonly port: number },
	signal: AbortSignal,
): Promise<Connected> {
	return untilConnected(connect({ host: target.host, port: target.port, noDelay: true }), signal);
}
