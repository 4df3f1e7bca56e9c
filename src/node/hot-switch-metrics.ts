// Where the pods' connections go, and how often that changed, in Prometheus' text format.

import { type ServingStep, servingSteps } from "../hotswitch/serving-step.ts";
import type { SwitchCount } from "./pod-hot-switch.ts";

interface Switching {
	/** `default/reviews-v1-abc` */
	readonly pod: string;
	readonly state: { readonly servingStep: ServingStep };
	readonly switches: readonly SwitchCount[];
	readonly vouched: number;
}

export function hotSwitchMetrics(pods: readonly Switching[]): string {
	if (pods.length === 0) return "";
	const labels = (values: object): string =>
		`{${Object.entries(values)
			.map(([name, value]) => `${name}=${JSON.stringify(value)}`)
			.join(",")}}`;
	return [
		"# HELP keepmesh_hotswitch_step 1 for the way that a pod's new connections go.",
		"# TYPE keepmesh_hotswitch_step gauge",
		...pods.flatMap(({ pod, state }) =>
			servingSteps.map(
				(step) => `keepmesh_hotswitch_step${labels({ pod, step })} ${step === state.servingStep ? 1 : 0}`,
			),
		),
		"# HELP keepmesh_hotswitch_switches_total Changes of the way that a pod's new connections go.",
		"# TYPE keepmesh_hotswitch_switches_total counter",
		...pods.flatMap(({ pod, switches }) =>
			switches.map(
				({ from, to, because, count }) =>
					`keepmesh_hotswitch_switches_total${labels({ pod, from, to, because })} ${count}`,
			),
		),
		"# HELP keepmesh_hotswitch_vouched_total How often a silent sidecar kept its connections because it only waited for a processor.",
		"# TYPE keepmesh_hotswitch_vouched_total counter",
		...pods.map(({ pod, vouched }) => `keepmesh_hotswitch_vouched_total${labels({ pod })} ${vouched}`),
		"",
	].join("\n");
}
