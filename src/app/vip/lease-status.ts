// What `vip status` and `vip explain` say of a lease.

import { deciding } from "../../vip/election/decide-by-lease.ts";
import { holdsLease, othersLease, waitsFor } from "../../vip/election/election-rules.ts";
import type { ElectionConfig, ElectionState } from "../../vip/election/election-state.ts";
import type { InstanceExplanation } from "../../vip/tracking/explain.ts";
import type { LeaseConfig } from "../../vip/vip-config.ts";

export interface LeaseStatus {
	/** `NAMESPACE/NAME`. */
	readonly lease: string;
	/** Null: nobody, or not known. */
	readonly holder: string | null;
	/** This node counts on it. */
	readonly held: boolean;
	/** The holder's. */
	readonly reason: string;
	/** Since it was seen to be renewed, by this node's clock. */
	readonly ageMs?: number;
	readonly transitions: number;
	/** Why the store cannot be reached; who decides alone then stands before it. */
	readonly unreachable?: string;
	/** A claim waits, and for what. */
	readonly waitsFor?: string;
	readonly disagreement?: string;
}

export function leaseStatus(
	{ namespace, name }: LeaseConfig,
	config: ElectionConfig,
	state: ElectionState,
	nowUs: number,
): LeaseStatus {
	const { observed, unreachable, wait, disagreement } = state;
	const record = observed?.lease?.record;
	const held = holdsLease(config, state, nowUs);
	const live = held ? record : othersLease(config, state, nowUs)?.record;
	const waiting = wait && !wait.over ? waitsFor(config, state, nowUs) : undefined;
	return {
		lease: `${namespace}/${name}`,
		holder: live?.holderIdentity ?? null,
		held,
		reason: live?.reason ?? "",
		...(observed && record ? { ageMs: Math.max(0, Math.round((nowUs - observed.changedUs) / 1000)) } : {}),
		transitions: record?.leaseTransitions ?? 0,
		...(unreachable ? { unreachable: `${deciding(config)}: ${unreachable.because}` } : {}),
		...(waiting === undefined
			? {}
			: { waitsFor: config.decides ? "for the lease" : `a moment before it claims: ${waiting} goes first` }),
		...(disagreement ? { disagreement: disagreement.because } : {}),
	};
}

/** `vip explain` says it below the rest. */
export function withLease(explanation: InstanceExplanation, lease: LeaseStatus | undefined): InstanceExplanation {
	if (!lease) return explanation;
	return { ...explanation, lines: [...explanation.lines, ...leaseLines(lease).map((line) => `  ${line}`)] };
}

export function leaseLines(status: LeaseStatus): readonly string[] {
	const { lease, holder, reason, unreachable, waitsFor: whom, disagreement } = status;
	if (unreachable !== undefined) return [`lease ${lease} cannot be reached, ${unreachable}`];
	return [
		holder === null ? `lease ${lease} is held by nobody` : `lease ${lease} is held by ${holder} (${reason})`,
		...(whom === undefined ? [] : [`waits ${whom}`]),
		...(disagreement === undefined ? [] : [`lease and VRRP disagree: ${disagreement}`]),
	];
}
