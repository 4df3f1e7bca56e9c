// The redirect of one pod: its RedirectPlan, and what is wrong with its annotations, in words.

import { planRedirect, type RedirectPlan } from "../../hotswitch/redirect-plan.ts";
import type { PodSpec } from "./pod-spec.ts";

export interface PlannedPod {
	readonly plan: RedirectPlan;
	readonly warnings: readonly string[];
}

/** `dns`: where captured queries go; absent: dnsCapture does nothing. */
export function planPod(pod: PodSpec, dns?: { readonly address: string; readonly port: number }): PlannedPod {
	const { plan, problems } = planRedirect({
		owner: `${pod.namespace}/${pod.name}`,
		mode: pod.interceptionMode,
		ips: pod.ips,
		annotations: pod.annotations,
		...(pod.dnsCapture && dns ? { dns } : {}),
	});
	return { plan, warnings: problems.map((problem) => `${problem.annotation}: ${problem.message}; ${problem.hint}`) };
}
