// What an operator should be woken or told by, as Prometheus alerting rules over the metrics of nodes and control planes.
// Each says what it means for users and which command shows more. Labels `pod` and `node` are Keepmesh's own or the scrape's.

export interface AlertRule {
	readonly name: string;
	/** PromQL. */
	readonly expr: string;
	/** How long it must hold, `30s`; at once when absent. */
	readonly for?: string;
	readonly severity: "critical" | "warning";
	/** Templates of Prometheus are filled in: {{ $labels.pod }}. */
	readonly summary: string;
	readonly next: string;
}

export interface AlertGroup {
	readonly name: string;
	readonly rules: readonly AlertRule[];
}

export const alertGroups: readonly AlertGroup[] = [
	{
		name: "keepmesh-serving",
		rules: [
			{
				name: "KeepmeshPodClosed",
				expr: 'max by (pod) (keepmesh_hotswitch_step{step="closed"}) == 1',
				for: "30s",
				severity: "critical",
				summary: "{{ $labels.pod }} takes no connections: its proxy fails, and nothing else may serve",
				next: "keepmesh events, then keepmesh describe pod",
			},
			{
				name: "KeepmeshPodDirect",
				expr: 'max by (pod) (keepmesh_hotswitch_step{step="direct"}) == 1',
				for: "15s",
				severity: "warning",
				summary: "{{ $labels.pod }} is served past every proxy: in plaintext, without policy and telemetry",
				next: "keepmesh events",
			},
			{
				name: "KeepmeshPodOnSpare",
				expr: 'max by (pod) (keepmesh_hotswitch_step{step="spare"}) == 1',
				for: "5m",
				severity: "warning",
				summary: "{{ $labels.pod }} has been on the node's spare Envoy for 5 minutes: its own does not come back",
				next: "keepmesh describe pod",
			},
			{
				name: "KeepmeshProxyFlapping",
				expr: 'sum by (pod) (increase(keepmesh_hotswitch_switches_total{from="sidecar"}[10m])) >= 3',
				severity: "warning",
				summary: "the proxy of {{ $labels.pod }} failed 3 times or more within 10 minutes",
				next: "keepmesh events",
			},
			{
				name: "KeepmeshSpareDown",
				expr: "keepmesh_spare_up == 0",
				for: "1m",
				severity: "warning",
				summary:
					"the spare Envoy of {{ $labels.instance }} is down: proxies that fail have nobody to stand in for them",
				next: "the log of keepmesh node",
			},
			{
				name: "KeepmeshServingNotReported",
				expr: "keepmesh_serving_report_age_seconds > 15",
				for: "30s",
				severity: "warning",
				summary: "{{ $labels.control }} does not hear from {{ $labels.instance }}: callers are not told of its pods",
				next: "keepmesh status",
			},
		],
	},
	{
		name: "keepmesh-configuration",
		rules: [
			{
				name: "KeepmeshConfigStale",
				expr: "max by (instance) (keepmesh_node_config_stale_seconds) > 300",
				for: "1m",
				severity: "warning",
				summary:
					"proxies of {{ $labels.instance }} have worked for 5 minutes with what they had: no control plane answers",
				next: "keepmesh status",
			},
			{
				name: "KeepmeshConfigWithheld",
				expr: "sum by (because) (keepmesh_withheld_proxies) > 0",
				for: "2m",
				severity: "warning",
				summary: "{{ $value }} proxies do not get their newest configuration ({{ $labels.because }})",
				next: "keepmesh proxy-status",
			},
			{
				name: "KeepmeshConfigRejected",
				expr: "sum by (type) (increase(keepmesh_xds_rejects_total[5m])) > 0",
				severity: "warning",
				summary: "proxies refused {{ $labels.type }}",
				next: "keepmesh proxy-status",
			},
			{
				name: "KeepmeshResourcesRefused",
				expr: 'max(keepmesh_resource_problems{severity="error"}) > 0',
				for: "5m",
				severity: "warning",
				summary: "{{ $value }} resources have errors; their last good version is in force",
				next: "keepmesh status",
			},
			{
				name: "KeepmeshSourceStale",
				expr: "max by (instance) (keepmesh_source_age_seconds) > 60",
				for: "1m",
				severity: "warning",
				summary:
					"{{ $labels.instance }} cannot follow the API server: changes do not reach the mesh, what is known stays",
				next: "keepmesh status",
			},
			{
				name: "KeepmeshNobodyLeads",
				expr: "max(keepmesh_leader) == 0",
				for: "1m",
				severity: "warning",
				summary: "no control plane leads: statuses are not written, rotations stand still",
				next: "kubectl get lease keepmesh-control -n keepmesh-system",
			},
		],
	},
	{
		name: "keepmesh-certificates",
		rules: [
			{
				name: "KeepmeshCertificateUnusable",
				expr: "keepmesh_certificate_usable == 0",
				for: "1m",
				severity: "critical",
				summary: "the certificate {{ $labels.certificate }} of {{ $labels.instance }} cannot be used any more",
				next: "keepmesh certs",
			},
			{
				name: "KeepmeshAuthorityExpires",
				expr: "max by (certificate) (keepmesh_ca_expiry_alarm) == 1",
				severity: "critical",
				summary: "less than a fifth of the life of the mesh's {{ $labels.certificate }} is left",
				next: "keepmesh certs",
			},
		],
	},
];

/** A rule file for Prometheus (`rule_files`). */
export function renderAlertRules(groups: readonly AlertGroup[]): string {
	const lines = ["# Printed by: keepmesh alerts", "groups:"];
	for (const { name, rules } of groups) {
		lines.push(`  - name: ${name}`, "    rules:");
		for (const rule of rules)
			lines.push(
				`      - alert: ${rule.name}`,
				`        expr: ${quoted(rule.expr)}`,
				...(rule.for === undefined ? [] : [`        for: ${rule.for}`]),
				`        labels: { severity: ${rule.severity} }`,
				"        annotations:",
				`          summary: ${quoted(rule.summary)}`,
				`          next: ${quoted(rule.next)}`,
			);
	}
	return `${lines.join("\n")}\n`;
}

/** JSON's texts are YAML's too. */
function quoted(text: string): string {
	return JSON.stringify(text);
}
