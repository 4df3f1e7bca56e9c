// Priority, first state, preemption and advert interval of an instance: what the directives say, and what keepalived makes of it.

import type { InstanceConfig } from "../vip-config.ts";
import type { Completion } from "./completion.ts";

type State = InstanceConfig["initialState"];

/** No priority: 255 with state MASTER, else 100. No state: MASTER with priority 255, else BACKUP. */
export function roleOf({ draft, strict, warn }: Completion): { readonly priority: number; readonly state: State } {
	const priority = draft.priority ?? (draft.state === "MASTER" ? 255 : 100);
	if (draft.priority === undefined && draft.state === "MASTER")
		warn(
			"state",
			"state MASTER without priority means priority 255: it claims the addresses at once, and no check can lower it",
			"write priority 100, or what is meant",
			"KM-silent",
		);
	const natural = priority === 255 ? "MASTER" : "BACKUP";
	if (draft.state === undefined) return { priority, state: natural };
	if (strict && draft.state !== natural) {
		const message = `strict mode wants state ${natural} with priority ${priority}: ${natural} is taken`;
		warn("state", message, `write state ${natural}`);
		return { priority, state: natural };
	}
	return { priority, state: draft.state };
}

export function preemptionOf(
	{ draft, strict, warn }: Completion,
	priority: number,
	state: State,
): Pick<InstanceConfig, "preempt" | "preemptDelayMs"> {
	let { noPreempt, preemptDelayMicros: delayMicros } = draft;
	const oneOfTwo = "take one of the two out";
	if (noPreempt && priority === 255) {
		warn("nopreempt", "nopreempt does not go with priority 255, and is taken back", "take nopreempt out");
		noPreempt = false;
	}
	if (state === "MASTER" && noPreempt) {
		warn(
			"nopreempt",
			"nopreempt does nothing with state MASTER, and is taken back",
			"write state BACKUP on every node",
		);
		noPreempt = false;
	}
	if (state === "MASTER" && delayMicros > 0) {
		const message = "preempt_delay does nothing with state MASTER, and is taken back: this node preempts without delay";
		warn("preempt_delay", message, "write state BACKUP on every node");
		delayMicros = 0;
	}
	if (delayMicros > 0 && strict) {
		warn("preempt_delay", "strict mode has no preempt_delay: it is taken back", oneOfTwo);
		delayMicros = 0;
	}
	if (delayMicros > 0 && noPreempt) {
		warn("preempt_delay", "preempt_delay does nothing with nopreempt, and is taken back", oneOfTwo);
		delayMicros = 0;
	}
	return { preempt: !noPreempt, preemptDelayMs: delayMicros / 1000 };
}

/** Version 2: whole seconds, 1 to 255. Version 3: steps of 10 ms, up to 40.95 s. */
export function advertIntervalMsOf({ draft, warn }: Completion, version: 2 | 3): number {
	const wantedMicros = draft.advertMicros ?? 1e6;
	const stepMicros = version === 2 ? 1e6 : 1e4;
	const mostMicros = version === 2 ? 255e6 : 40_950_000;
	const seconds = (micros: number): string => `${micros / 1e6} s`;
	if (wantedMicros >= mostMicros + stepMicros) {
		const message = `advert_int ${seconds(wantedMicros)} is too long for version ${version}: ${seconds(mostMicros)} is taken`;
		warn("advert_int", message, `write ${mostMicros / 1e6} at the most`);
		return mostMicros / 1000;
	}
	if (wantedMicros % stepMicros === 0) return wantedMicros / 1000;
	const nearestMicros = Math.floor((wantedMicros + stepMicros / 2) / stepMicros) * stepMicros;
	const roundedMicros = Math.min(mostMicros, Math.max(stepMicros, nearestMicros));
	const unit = version === 2 ? "whole seconds" : "steps of 10 ms";
	warn(
		"advert_int",
		`version ${version} has ${unit} only: ${seconds(wantedMicros)} becomes ${seconds(roundedMicros)}`,
		version === 2 ? "write version 3 on every node, or whole seconds" : "write a multiple of 0.01",
	);
	return roundedMicros / 1000;
}
