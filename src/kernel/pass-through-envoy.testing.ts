// The configuration of an Envoy that passes connections on to where they were going, with nothing from a control plane: what a
// redirect needs behind it.

export interface PassThroughOptions {
	readonly adminSocket: string;
	/** For inbound by TPROXY. */
	readonly transparent: boolean;
	/** Beside its own. */
	readonly clusters?: readonly object[];
	readonly listeners?: readonly object[];
}

export function passThroughBootstrap({
	adminSocket,
	transparent,
	clusters = [],
	listeners = [],
}: PassThroughOptions): object {
	return {
		admin: { address: { pipe: { path: adminSocket } } },
		static_resources: {
			listeners: [passThrough(15_001, false, "outbound"), passThrough(15_006, transparent, "inbound"), ...listeners],
			clusters: [originalDestination("outbound"), originalDestination("inbound", "127.0.0.6"), ...clusters],
		},
	};
}

const original = {
	name: "od",
	typed_config: {
		"@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
	},
};

function passThrough(port: number, transparent: boolean, cluster: string): object {
	return {
		name: cluster,
		address: { socket_address: { address: "0.0.0.0", port_value: port } },
		transparent,
		traffic_direction: port === 15_006 ? "INBOUND" : "OUTBOUND",
		listener_filters: [original],
		filter_chains: [
			{
				filters: [
					{
						name: "tcp",
						typed_config: {
							"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
							stat_prefix: cluster,
							cluster,
						},
					},
				],
			},
		],
	};
}

function originalDestination(name: string, source?: string): object {
	return {
		name,
		type: "ORIGINAL_DST",
		lb_policy: "CLUSTER_PROVIDED",
		connect_timeout: "1s",
		...(source ? { upstream_bind_config: { source_address: { address: source, port_value: 0 } } } : {}),
	};
}
