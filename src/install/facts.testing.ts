// For tests: a cluster that is well, and a mesh in it that is.

import type { ClusterFacts, PartFacts } from "./cluster-facts.ts";

export const wellPart: PartFacts = {
	name: "keepmesh-control",
	revision: "default",
	version: "0.1.0",
	wanted: 2,
	ready: 2,
	updated: 2,
	troubles: [],
};

export const wellCluster: ClusterFacts = {
	namespace: "keepmesh-system",
	server: "v1.36.3",
	nodes: [
		{ name: "n1", isReady: true, kernel: "6.12.0-13-amd64", os: "linux", architecture: "amd64", kubelet: "v1.36.3" },
	],
	refused: [],
	kinds: new Set(
		["virtualips", "hotswitches", "meshconfigs"]
			.map((name) => `${name}.keepmesh.io`)
			.concat("virtualservices.networking.istio.io", "destinationrules.networking.istio.io"),
	),
	control: [wellPart],
	agents: [{ ...wellPart, name: "keepmesh-node", wanted: 1, ready: 1, updated: 1 }],
	injectors: [
		{
			name: "keepmesh-injector-keepmesh-system",
			namespace: "keepmesh-system",
			chosenBy: "default",
			isTag: false,
			revision: "default",
			failurePolicy: "Fail",
			hasAuthority: true,
			service: "keepmesh-control",
		},
	],
	otherInjectors: [],
	namespaces: [{ name: "shop", wants: "default", podsWith: 4, podsWithout: 0 }],
	proxies: [{ namespace: "shop", revision: "default", pods: 4 }],
	leaders: [{ revision: "default", holder: "keepmesh-control-a", renewedMsAgo: 900, leaseMs: 15_000 }],
	servedServices: new Set(["keepmesh-control"]),
};
