// One run of a check of a real server (keepalived.conf, TCP_CHECK ... PING_CHECK): a check and whom to ask come in, good or bad and why
// comes out. Only what a file needs is loaded: TLS, scripts and raw sockets are large.

import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";
import { afterPatiently } from "./patient-timeout.ts";
import type { ScriptSettings } from "./probe.ts";

export interface CheckTarget {
	readonly address: string;
	readonly port: number;
	/** For HTTP: of the url, else the real server's or the virtual server's. */
	readonly virtualHost?: string;
}

export interface CheckContext {
	readonly clock: Clock;
	readonly scripts?: ScriptSettings;
	/** Gives the run up: the answer does not matter any more. */
	readonly signal: AbortSignal;
}

/** Files say by themselves when they change, and BFD is not done: everything else is asked. */
export type AskedCheck = Exclude<RealServerCheck, { type: "file" | "bfd" }>;

/** One try, within its time. */
export interface CheckRun {
	readonly signal: AbortSignal;
	/** There is progress: `connect_timeout` begins anew, for a page may take longer than a connection. */
	readonly touch: () => void;
}

/** Never rejects. `url`: which one of an HTTP check. */
export async function runRealServerCheck(
	check: AskedCheck,
	target: CheckTarget,
	url: number,
	context: CheckContext,
): Promise<CheckOutcome> {
	// A script has its own time.
	if (check.type === "misc")
		return orFailed(runAsked(check, target, url, context, { signal: context.signal, touch: () => undefined }));
	const given = new AbortController();
	const giveUp = (): void => given.abort();
	context.signal.addEventListener("abort", giveUp, { once: true });
	const late = Promise.withResolvers<CheckOutcome>();
	const lateOutcome: CheckOutcome =
		check.type === "udp" && !check.requiresReply
			? { ok: true, because: "nobody says that it is unreachable" }
			: { ok: false, because: `no answer within ${check.connectTimeoutMs} ms` };
	let cancel: Cancel = () => undefined;
	const touch = (): void => {
		cancel();
		cancel = afterPatiently(context.clock, check.connectTimeoutMs, () => {
			late.resolve(lateOutcome);
			given.abort();
		});
	};
	touch();
	try {
		const run = runAsked(check, target, url, context, { signal: given.signal, touch });
		return await Promise.race([orFailed(run), late.promise]);
	} finally {
		cancel();
		context.signal.removeEventListener("abort", giveUp);
	}
}

async function runAsked(
	check: AskedCheck,
	target: CheckTarget,
	url: number,
	context: CheckContext,
	run: CheckRun,
): Promise<CheckOutcome> {
	const { signal } = run;
	switch (check.type) {
		case "tcp":
			return (await import("./checked-connection.ts")).checkTcp(check, target, signal);
		case "http":
			return (await import("./http-get-check.ts")).checkUrl(check, url, target, run);
		case "smtp":
			return (await import("./smtp-check.ts")).checkSmtp(check, target, run);
		case "dns":
			return (await import("./dns-check.ts")).checkDns(check, target, signal);
		case "udp":
			return (await import("./udp-check.ts")).checkUdp(check, target, signal);
		case "ping":
			return (await import("./ping-check.ts")).checkPing(check, target, signal);
		case "misc":
			return (await import("./misc-check.ts")).checkMisc(check, context, signal);
		default:
			return check satisfies never;
	}
}

function orFailed(run: Promise<CheckOutcome>): Promise<CheckOutcome> {
	return run.catch((error: unknown) => ({
		ok: false,
		because: error instanceof Error ? error.message : String(error),
	}));
}
