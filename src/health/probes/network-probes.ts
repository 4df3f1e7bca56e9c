// Links and routes, as the kernel's own events tell of them: no polling, no delay.

import type { NetworkEvent } from "../../kernel/host-network.ts";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import type { CheckOutcome } from "./polled-probe.ts";
import type { Probe, ProbeContext } from "./probe.ts";

type Network = NonNullable<ProbeContext["network"]>;

/** Good while the link is switched on and its cable is in (IFF_UP and IFF_RUNNING), as keepalived has it. */
export function startInterfaceProbe(check: Extract<TrackerCheck, { type: "interface" }>, context: ProbeContext): Probe {
	const judge = (network: Network): CheckOutcome => {
		const link = network.link(check.interface);
		if (!link) return { ok: false, because: `there is no ${check.interface}` };
		if (!link.up) return { ok: false, because: `${check.interface} is switched off` };
		return link.running
			? { ok: true, because: `${check.interface} is up` }
			: { ok: false, because: `${check.interface} has no carrier` };
	};
	const concerns = (event: NetworkEvent): boolean =>
		event.type === "eventsLost" ||
		(event.type === "link" && event.link.name === check.interface) ||
		(event.type === "linkGone" && event.name === check.interface);
	return watchNetwork(judge, concerns, context);
}

/** Good while some route to exactly that destination is there. */
export function startRouteProbe(check: Extract<TrackerCheck, { type: "route" }>, context: ProbeContext): Probe {
	const wanted = check.destination;
	const same = (destination: string): boolean => destination === wanted || destination === `${wanted}/32`;
	const judge = (network: Network): CheckOutcome => {
		const found = network.routes().some((route) => same(route.destination));
		return { ok: found, because: found ? `route to ${wanted} is there` : `no route to ${wanted}` };
	};
	const concerns = (event: NetworkEvent): boolean =>
		event.type === "eventsLost" ||
		((event.type === "routeAdded" || event.type === "routeRemoved") && same(event.route.destination));
	return watchNetwork(judge, concerns, context);
}

function watchNetwork(
	judge: (network: Network) => CheckOutcome,
	concerns: (event: NetworkEvent) => boolean,
	{ network, clock, onResult }: ProbeContext,
): Probe {
	if (!network) return { refused: "no network to ask", recheck: () => undefined, close: () => undefined };
	let told: string | undefined;
	let closed = false;
	const recheck = (): void => {
		if (closed) return;
		const startMs = clock.monotonicMs();
		const outcome = judge(network);
		if (outcome.because === told) return;
		told = outcome.because;
		onResult({ ...outcome, tookMs: clock.monotonicMs() - startMs });
	};
	const stop = network.watch((event) => {
		if (concerns(event)) recheck();
	});
	recheck();
	return {
		recheck,
		close: () => {
			closed = true;
			stop();
		},
	};
}
