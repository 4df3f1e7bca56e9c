// The machine itself as a member of the mesh, without pods: one Envoy in the machine's own network namespace. In: what the
// command line says of it. Out: the request of a pod whose namespace is the agent's own.

export interface MachineProxyInput {
	readonly proxy: "sidecar" | "router";
	readonly workload: string;
	readonly namespace: string;
	readonly ips: readonly string[];
	readonly labels: Readonly<Record<string, string>>;
	readonly serviceAccount: string;
	/** Ports of the control planes: the agent's own connections must not pass the Envoy that they feed. */
	readonly controlPorts: readonly number[];
	/** Overrule the defaults below. */
	readonly annotations?: Readonly<Record<string, string>>;
}

/** As the body of POST /v1/pods. Inbound SSH stays direct, so that a broken proxy never locks the operator out. */
export function machineProxyRequest(input: MachineProxyInput): object {
	const { controlPorts, proxy, ...machine } = input;
	return {
		...machine,
		proxy,
		name: input.workload,
		uid: `machine.${input.namespace}.${input.workload}`,
		netns: "/proc/self/ns/net",
		annotations: {
			"traffic.sidecar.istio.io/excludeInboundPorts": "22",
			"traffic.sidecar.istio.io/excludeOutboundPorts": [...new Set(controlPorts)].join(","),
			...input.annotations,
		},
	};
}
