// The start configuration of the node's spare Envoy, as JSON. In: the node's name and the spare's paths. Out: everything by ADS
// from the agent, admin on a Unix socket, and one listener of its own that shows whether a worker answers.

import { generateBootstrap } from "../../envoy/bootstrap/bootstrap.ts";
import { httpListener } from "../../envoy/bootstrap/static-resources.ts";
import type { IpPort } from "./host-port.ts";
import type { SparePaths } from "./spare-paths.ts";

export interface SpareBootstrapOptions {
	readonly nodeName: string;
	readonly paths: SparePaths;
	/** For its own look-ups. Default: the machine's resolv.conf. */
	readonly resolvers?: readonly IpPort[];
}

interface StaticResources {
	readonly static_resources: { readonly clusters: readonly object[]; readonly listeners: readonly object[] };
}

/** The id by which it calls the agent. */
export function spareId(nodeName: string): string {
	return `spare~${nodeName}`;
}

export function spareBootstrap({ nodeName, paths, resolvers = [] }: SpareBootstrapOptions): object {
	const base = generateBootstrap({
		node: {
			id: spareId(nodeName),
			cluster: "keepmesh-spare",
			metadata: { NODE_NAME: nodeName },
			locality: { region: "", zone: "", subzone: "" },
		},
		xds: { socketPath: paths.xdsSocket },
		admin: { socketPath: paths.adminSocket },
		resolvers: resolvers.map(({ address, port }) => ({ host: address, port })),
		stats: null,
		readiness: null,
	}) as StaticResources;
	const answer = { match: { prefix: "/" }, direct_response: { status: 200 } };
	const watch = httpListener("keepmesh_watch", { socketPath: paths.watchSocket }, [], [answer]);
	return {
		...base,
		static_resources: {
			...base.static_resources,
			listeners: [...base.static_resources.listeners, watch],
		},
	};
}
