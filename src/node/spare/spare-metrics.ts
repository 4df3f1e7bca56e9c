// The spare Envoy in Prometheus' text format: does it run, and which pods could it serve.

interface Spare {
	readonly pid: number | undefined;
	readonly restarts: number;
	statuses(): readonly { readonly pod: string; readonly serves: boolean }[];
}

export function spareMetrics(spare: Spare): string {
	const pods = spare.statuses();
	if (pods.length === 0) return "";
	return [
		"# HELP keepmesh_spare_up 1 while the node's spare Envoy runs.",
		"# TYPE keepmesh_spare_up gauge",
		`keepmesh_spare_up ${spare.pid === undefined ? 0 : 1}`,
		"# HELP keepmesh_spare_restarts_total How often the spare Envoy was started again.",
		"# TYPE keepmesh_spare_restarts_total counter",
		`keepmesh_spare_restarts_total ${spare.restarts}`,
		"# HELP keepmesh_spare_ready 1 for a pod whose connections the spare can take.",
		"# TYPE keepmesh_spare_ready gauge",
		...pods.map(({ pod, serves }) => `keepmesh_spare_ready{pod=${JSON.stringify(pod)}} ${serves ? 1 : 0}`),
		"",
	].join("\n");
}
