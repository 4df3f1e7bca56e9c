// What an operator watches of the authority: how long its certificates live, and where a rotation stands and waits.

import type { RotationState } from "../../identity/rotation/rotation-state.ts";
import { planRotation } from "../../identity/rotation-plan.ts";
import type { GaugeMetric, Metrics } from "../../runtime/metrics.ts";

export interface AuthorityLife {
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

export interface CaMetrics {
	/** `root` and `issuer`: those that sign now. */
	show(root: AuthorityLife, issuer: AuthorityLife, state: RotationState, nowMs: number): void;
}

const stages = ["add", "trust-both", "sign-with-new", "drop-old", "sign-with-old", "drop-new"] as const;

export function caMetrics(metrics: Metrics): CaMetrics {
	const gauge = (name: string, help: string, labels: readonly string[] = []): GaugeMetric =>
		metrics.gauge(`keepmesh_ca_${name}`, help, labels);
	const rootExpiry = gauge("root_expiry_seconds", "Seconds until the root that signs expires; negative afterwards.");
	const issuerExpiry = gauge(
		"issuer_expiry_seconds",
		"Seconds until the issuer that signs expires; negative afterwards.",
	);
	const alarm = gauge("expiry_alarm", "1 while less than a fifth of its life is left.", ["certificate"]);
	const stage = gauge("rotation_stage", "1 for the stage that a rotation is at.", ["kind", "stage"]);
	const blockers = gauge("rotation_unconfirmed_proxies", "Proxies and control planes that a rotation waits for.");
	return {
		show(root, issuer, state, nowMs) {
			rootExpiry.set((root.notAfterMs - nowMs) / 1000);
			issuerExpiry.set((issuer.notAfterMs - nowMs) / 1000);
			alarm.set(isLate(root, nowMs) ? 1 : 0, { certificate: "root" });
			alarm.set(isLate(issuer, nowMs) ? 1 : 0, { certificate: "issuer" });
			for (const kind of ["root", "issuer"] as const)
				for (const name of stages) {
					const isNow = state.phase === "running" && state.kind === kind && state.stage === name;
					stage.set(isNow ? 1 : 0, { kind, stage: name });
				}
			blockers.set(state.phase === "running" ? state.blockerCount : 0);
		},
	};
}

/** Less than a fifth of its life is left. */
export function isLate({ notBeforeMs, notAfterMs }: AuthorityLife, nowMs: number): boolean {
	return nowMs >= planRotation(notBeforeMs, notAfterMs, 0).alarmAtMs;
}
