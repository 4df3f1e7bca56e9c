// Reports to one control plane: at once when something changed, again every few seconds, and as soon as it can be reached again
// after it could not. In: nudges. Out: calls, each with all of the node. Several may be under way: their numbers order them.

import {
	reportEveryMs,
	type ServingReport,
	type ServingReportAnswer,
	servingReportPath,
} from "../../hotswitch/serving-report.ts";
import { decodeServingAnswer, encodeServingReport } from "../../hotswitch/serving-report-codec.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { ControlCaller, type ControlSecurity } from "../identity/control-caller.ts";
import type { HostPort } from "../identity/control-trust.ts";
import type { SwitchLog } from "./switch-log.ts";

/** Where the messages go; rejects when nobody takes them. */
export interface ReportChannel {
	send(message: Uint8Array): Promise<Uint8Array>;
	close(): void;
}

export interface ReplicaReportsDeps {
	readonly control: string;
	readonly channel: (onEnded: () => void) => ReportChannel;
	readonly compose: (events: readonly SwitchRecord[]) => ServingReport;
	readonly switches: Pick<SwitchLog, "since" | "count">;
	readonly clock: Clock;
	readonly log: Log;
	/** From 0 up to 1. */
	readonly random: () => number;
}

export interface ReplicaReportsStatus {
	readonly control: string;
	/** Milliseconds since a report was confirmed; absent: none was. */
	readonly confirmedMsAgo?: number;
	readonly sent: number;
	readonly failed: number;
	/** Why the last one was not taken. */
	readonly because?: string;
}

const firstRetryMs = 100;
const maxRetryMs = 1_000;
/** One that does not know the call will not learn it soon. */
const unknownCallMs = 30_000;
const maxUnderWay = 4;
const timeoutMs = 2_500;

export class ReplicaReports {
	readonly #deps: ReplicaReportsDeps;
	readonly #channel: ReportChannel;
	#instance: string | undefined;
	/** Of all switches, how many this control plane has. */
	#confirmed = 0;
	#underWay = 0;
	#again = false;
	#failures = 0;
	#sent = 0;
	#failed = 0;
	#because: string | undefined;
	#confirmedAtMs: number | undefined;
	#cancel: Cancel = () => {};
	#closed = false;

	constructor(deps: ReplicaReportsDeps) {
		this.#deps = deps;
		this.#channel = deps.channel(() => this.#in(this.#jittered(firstRetryMs)));
	}

	reportNow(): void {
		if (this.#closed) return;
		if (this.#underWay >= maxUnderWay) {
			this.#again = true;
			return;
		}
		this.#again = false;
		this.#underWay++;
		this.#sent++;
		this.#in(this.#jittered(reportEveryMs));
		const { compose, switches } = this.#deps;
		const count = switches.count;
		const message = encodeServingReport(compose(switches.since(this.#confirmed)));
		this.#channel.send(message).then(
			(answer) => this.#answered(decodeServingAnswer(answer), count),
			(error: unknown) => this.#refused(error instanceof Error ? error.message : String(error)),
		);
	}

	status(): ReplicaReportsStatus {
		const { clock, control } = this.#deps;
		const at = this.#confirmedAtMs;
		return {
			control,
			sent: this.#sent,
			failed: this.#failed,
			...(at === undefined ? {} : { confirmedMsAgo: clock.monotonicMs() - at }),
			...(this.#because === undefined ? {} : { because: this.#because }),
		};
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
		this.#channel.close();
	}

	#answered(answer: ServingReportAnswer | undefined, count: number): void {
		if (!answer) {
			this.#refused("the answer cannot be read");
			return;
		}
		const { clock, control, log } = this.#deps;
		this.#underWay--;
		this.#confirmedAtMs = clock.monotonicMs();
		if (this.#because !== undefined) log.info({ control }, "the control plane takes reports again");
		this.#because = undefined;
		this.#failures = 0;
		const isOther = this.#instance !== undefined && this.#instance !== answer.instance;
		this.#instance = answer.instance;
		// It has begun anew, and has none of the switches of before.
		this.#confirmed = isOther ? 0 : Math.max(this.#confirmed, count);
		for (const { proxyId, because } of answer.refused)
			log.debug({ control, proxy: proxyId, because }, "the control plane does not believe a report");
		if (this.#again || isOther) this.reportNow();
	}

	#refused(because: string): void {
		this.#underWay--;
		this.#failed++;
		if (this.#closed) return;
		const { control, log } = this.#deps;
		if (this.#because === undefined) log.warn({ control, because }, "the control plane takes no reports");
		this.#because = because;
		const retryMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(10, this.#failures++));
		this.#in(/grpc-status 12\b/.test(because) ? unknownCallMs : this.#jittered(retryMs));
	}

	#in(ms: number): void {
		if (this.#closed) return;
		this.#cancel();
		this.#cancel = this.#deps.clock.after(ms, () => this.reportNow());
	}

	/** Nodes that lost the same control plane do not all come back at once. */
	#jittered(ms: number): number {
		return ms * (0.75 + this.#deps.random() / 2);
	}
}

/** Over the control plane's own port. */
export function controlChannel(
	upstream: HostPort,
	security: () => ControlSecurity | undefined,
	clock: Clock,
): ReplicaReportsDeps["channel"] {
	return (onSessionEnded) => {
		const caller = new ControlCaller({ upstreams: [upstream], clock, onSessionEnded });
		return {
			send: async (message) => {
				const now = security();
				if (!now) throw new Error("this node has not joined the mesh");
				return caller.call(now, { path: servingReportPath, message, timeoutMs });
			},
			close: () => caller.close(),
		};
	};
}
