// Keeps one certificate fresh: runs the renewal machine against the clock and whoever signs.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { CertifiedKey } from "./certified-key.ts";
import { openRenewal, type RenewalEvent, type RenewalState, stepRenewal } from "./renewal-machine.ts";

export interface KeptCertificateDeps {
	/** Gets a new one; rejects with the reason why there is none. */
	readonly ask: () => Promise<CertifiedKey>;
	readonly onRenewed: (key: CertifiedKey) => void;
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Log;
	/** On every line of the log: whose certificate it is. */
	readonly facts: object;
}

export interface CertificateStatus {
	readonly state: "none" | "good" | "expiring" | "expired" | "notYetValid";
	readonly uri?: string;
	readonly serial?: string;
	readonly issuerKeyId?: string;
	readonly notBefore?: string;
	readonly notAfter?: string;
	/** Attempts to renew it that failed, since the agent started. */
	readonly failedRenewals: number;
	/** Why the last attempt failed, while none has succeeded since. */
	readonly because?: string;
}

type Unstamped = RenewalEvent extends infer Event ? (Event extends RenewalEvent ? Omit<Event, "now"> : never) : never;

export class KeptCertificate {
	readonly #deps: KeptCertificateDeps;
	#state: RenewalState = openRenewal();
	#key: CertifiedKey | undefined;
	#failedRenewals = 0;
	#because: string | undefined;
	#cancel: Cancel = () => {};
	#closed = false;

	constructor(deps: KeptCertificateDeps) {
		this.#deps = deps;
	}

	/** Starts with what is stored, if anything is. */
	open(stored: CertifiedKey | undefined): void {
		this.#key = stored;
		this.#run(stored ? { type: "loaded", times: stored } : { type: "looked" });
	}

	get key(): CertifiedKey | undefined {
		return this.#key;
	}

	/** Renewed at once when it comes from another issuer. */
	wantIssuer(issuerKeyId: string): void {
		this.#run({ type: "issuerWanted", issuerKeyId });
	}

	/** Asks for another one now, whatever the age of this one. */
	renewNow(): void {
		this.#run({ type: "renewalWanted" });
	}

	/** Why it failed may be over: tries now. */
	nudge(): void {
		if (this.#because !== undefined) this.#run({ type: "nudged" });
	}

	status(): CertificateStatus {
		const key = this.#key;
		return {
			state: this.#stateNow(),
			...(key && {
				uri: key.uri,
				serial: key.serial,
				issuerKeyId: key.issuerKeyId,
				notBefore: new Date(key.notBeforeMs).toISOString(),
				notAfter: new Date(key.notAfterMs).toISOString(),
			}),
			failedRenewals: this.#failedRenewals,
			...(this.#because !== undefined && { because: this.#because }),
		};
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
	}

	#stateNow(): CertificateStatus["state"] {
		const nowMs = this.#deps.clock.wallMs();
		if (!this.#key) return "none";
		if (nowMs >= this.#key.notAfterMs) return "expired";
		if (nowMs < this.#key.notBeforeMs) return "notYetValid";
		return this.#state.alarmed ? "expiring" : "good";
	}

	#run(event: Unstamped): void {
		if (this.#closed) return;
		const { clock, log, random, facts } = this.#deps;
		const now = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs(), random: random() };
		const { state, actions } = stepRenewal(this.#state, { ...event, now });
		this.#state = state;
		for (const action of actions) {
			switch (action.type) {
				case "ask":
					void this.#ask();
					break;
				case "lookAgain":
					this.#cancel();
					this.#cancel = clock.after(action.inMs, () => this.#run({ type: "looked" }));
					break;
				case "alarm":
					log.error(
						{ ...facts, leftSeconds: Math.round(action.leftMs / 1000), because: this.#because },
						"a certificate is about to expire and could not be renewed",
					);
					break;
				case "endAlarm":
					log.info(facts, "a certificate that was about to expire has been renewed");
					break;
				default:
					action satisfies never;
			}
		}
	}

	async #ask(): Promise<void> {
		try {
			const key = await this.#deps.ask();
			if (this.#closed) return;
			this.#key = key;
			this.#because = undefined;
			this.#run({ type: "succeeded", times: key });
			this.#deps.onRenewed(key);
		} catch (error) {
			if (this.#closed) return;
			this.#failedRenewals++;
			this.#because = error instanceof Error ? error.message : String(error);
			this.#run({ type: "failed" });
			const { facts, log } = this.#deps;
			const { alarmed, failures } = this.#state;
			// The first retries come within a second: a moment's trouble is not worth a line.
			const level = alarmed ? "error" : failures < 5 ? "debug" : "warn";
			log[level]({ ...facts, failures, because: this.#because }, "no new certificate");
		}
	}
}
