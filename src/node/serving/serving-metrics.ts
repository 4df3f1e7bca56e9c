// Whether the control planes hear of this node's pods, in Prometheus' text format.

import type { ReplicaReportsStatus } from "./replica-reports.ts";

export function servingMetrics(replicas: readonly ReplicaReportsStatus[]): string {
	if (replicas.length === 0) return "";
	const label = (control: string): string => `control=${JSON.stringify(control)}`;
	return [
		"# HELP keepmesh_serving_reports_total Reports of this node's pods to a control plane, by what became of them.",
		"# TYPE keepmesh_serving_reports_total counter",
		...replicas.flatMap(({ control, failed, sent }) => [
			`keepmesh_serving_reports_total{${label(control)},outcome="sent"} ${sent}`,
			`keepmesh_serving_reports_total{${label(control)},outcome="failed"} ${failed}`,
		]),
		"# HELP keepmesh_serving_report_age_seconds Since a control plane confirmed a report of this node's pods.",
		"# TYPE keepmesh_serving_report_age_seconds gauge",
		...replicas.flatMap(({ confirmedMsAgo, control }) =>
			confirmedMsAgo === undefined
				? []
				: [`keepmesh_serving_report_age_seconds{${label(control)}} ${(confirmedMsAgo / 1000).toFixed(3)}`],
		),
		"",
	].join("\n");
}
