// Which statistics an Envoy keeps, and how their names become labels. As Istio's bootstrap does it: proxies with thousands
// of clusters keep a few figures of each, and Prometheus sees `cluster_name` rather than one metric for each cluster.

/** `proxy`: Istio's choice and the request figures that the dashboards read. `all`: everything Envoy has, for debugging. */
export type StatsInclusion = "proxy" | "all";

/** Figures of each cluster and listener that are worth their memory. */
const keptOfClusters = [
	"upstream_rq_(?:total|completed|active|timeout|per_try_timeout|retry|retry_success|retry_limit_exceeded|pending_overflow|time|\\dxx|\\d+)",
	"upstream_cx_(?:total|active|connect_fail|connect_timeout|destroy_with_active_rq|overflow|rx_bytes_total|tx_bytes_total)",
	"membership_(?:total|healthy|degraded|excluded)",
	"outlier_detection\\..*",
	"circuit_breakers\\..*_open",
	"ssl\\.(?:handshake|connection_error|fail_verify.*)",
	"lb_healthy_panic",
	"update_(?:success|failure|rejected)",
].join("|");

const keptOfListeners = [
	"downstream_rq_(?:total|completed|active|time|\\dxx|rx_reset|tx_reset)",
	"downstream_cx_(?:total|active|rx_bytes_total|tx_bytes_total|no_route|idle_timeout)",
	"no_route|no_filter_chain_match|downstream_pre_cx_timeout",
	"ssl\\.(?:handshake|connection_error|fail_verify.*)",
	"rds\\..*\\.(?:update_rejected|config_reload)",
].join("|");

export function statsConfig(inclusion: StatsInclusion): object {
	return {
		use_all_default_tags: false,
		stats_tags: [
			// `cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_total`: the name has dots of its own, so it
			// ends where a figure's name begins.
			{
				tag_name: "cluster_name",
				regex:
					"^cluster\\.((.+?)\\.)(?:upstream_|membership_|outlier_|circuit_|ssl\\.|lb_|update_|external\\.|internal\\.|assignment_|bind_|max_host|retry_|version|warming_|update|http[12]\\.|default\\.|original_dst)",
			},
			{ tag_name: "tcp_prefix", regex: "^tcp\\.((.*?)\\.)\\w+?$" },
			{ tag_name: "response_code", regex: "(?:_rq|\\.response_code)(_(\\d{3}))$" },
			{ tag_name: "response_code_class", regex: "_rq(_(\\dxx))$" },
			{
				tag_name: "http_conn_manager_prefix",
				regex: "^http\\.((.+?)\\.)(?:downstream_|rds\\.|no_route|rq_|tracing|fault\\.|passthrough_|user_agent|rbac\\.)",
			},
			{ tag_name: "listener_address", regex: "^listener\\.(([0-9a-fA-F_.\\[\\]]+)\\.)" },
		],
		...(inclusion === "proxy" && {
			stats_matcher: {
				inclusion_list: {
					patterns: [
						{ prefix: "cluster_manager" },
						{ prefix: "listener_manager" },
						{ prefix: "server" },
						{ prefix: "cluster.xds-grpc" },
						{ prefix: "control_plane" },
						{ prefix: "wasm" },
						{ prefix: "component" },
						{ prefix: "istio" },
						{ suffix: "rbac.allowed" },
						{ suffix: "rbac.denied" },
						{ suffix: "shadow_allowed" },
						{ suffix: "shadow_denied" },
						regex(`cluster\\..*\\.(?:${keptOfClusters})`),
						regex(`(?:http|listener|tcp)\\..*(?:${keptOfListeners})`),
					],
				},
			},
		}),
	};
}

function regex(text: string): object {
	return { safe_regex: { regex: text } };
}
