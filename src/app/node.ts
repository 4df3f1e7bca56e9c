// The node agent put together: pods with their Envoys, the local API, merged metrics, the relay to the control planes and the
// DNS process. In: options of the command line. Out: a running node whose end leaves Envoys, redirects and DNS running.

import { accessSync, constants, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { proxyUid } from "../hotswitch/render-redirect.ts";
import { createMetricsServer } from "../node/metrics-server.ts";
import { NodeAgent } from "../node/node-agent.ts";
import { createNodeApi } from "../node/node-api.ts";
import { podBootstrap } from "../node/plan/pod-bootstrap.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import { listenOnSocket } from "../node/unix-server.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";

export interface NodeOptions {
	readonly name: string;
	/** State directory; Envoy's user must be able to pass through it. */
	readonly state: string;
	/** `host:port` of each control plane. */
	readonly control: readonly string[];
	readonly envoy: string;
	/** Default `cluster.local`. */
	readonly domainSuffix?: string;
	/** `address[:port]`; absent: no DNS server. */
	readonly dnsListen?: string;
	/** `address[:port]` of the resolvers for all other names. */
	readonly upstreamDns?: readonly string[];
}

export interface RunningNode {
	readonly agent: NodeAgent;
	/** Stops the agent; Envoys, redirects and DNS go on unless `stopProxies`. */
	close(options?: { readonly stopProxies?: boolean }): Promise<void>;
}

export interface NodeDeps {
	readonly log: Log;
	readonly clock?: Clock;
}

export async function startNode(options: NodeOptions, { log, clock = realClock }: NodeDeps): Promise<RunningNode> {
	const paths = nodePaths(options.state);
	mkdirSync(paths.pods, { recursive: true, mode: 0o711 });
	const unfit = problemsOf(options);
	if (unfit.length > 0) throw new Error(unfit.join("\n"));
	const domainSuffix = options.domainSuffix ?? "cluster.local";
	const agent = new NodeAgent(
		{
			state: options.state,
			envoy: options.envoy,
			bootstrapOf: (pod) => podBootstrap(pod, { nodeName: options.name, paths, domainSuffix }),
		},
		{ clock, log },
	);
	const api = createNodeApi(agent);
	const metrics = createMetricsServer(agent);
	// The API's socket is the lock of the state directory: a second agent stops here, before it touches a pod.
	await listenOnSocket(api, paths.apiSocket, { mode: 0o600 });
	await listenOnSocket(metrics, paths.metricsSocket, { mode: 0o660, gid: proxyUid });
	await agent.start();
	log.info({ node: options.name, state: options.state, api: paths.apiSocket }, "node agent runs");
	return {
		agent,
		close: async (closing = {}) => {
			if (closing.stopProxies) await agent.removeAll(30_000);
			agent.close();
			for (const server of [api, metrics]) {
				server.close();
				server.closeAllConnections();
			}
		},
	};
}

/** What would make every Envoy fail, said once at the start. */
function problemsOf(options: NodeOptions): readonly string[] {
	const problems: string[] = [];
	if (process.getuid?.() !== 0)
		problems.push("keepmesh node needs root: it enters network namespaces; run it with sudo");
	if (!idIsMapped(readFileSync("/proc/self/uid_map", "latin1"), proxyUid))
		problems.push(
			`user id ${proxyUid}, Envoy's own, does not exist in this user namespace, so Envoy's connections could not be told from the application's; map it (newuidmap) or run outside of the namespace`,
		);
	try {
		accessSync(options.envoy, constants.X_OK);
	} catch {
		problems.push(`${options.envoy} is not an executable Envoy; run sh scripts/setup.sh, or set KEEPMESH_ENVOY`);
	}
	for (let directory = options.state; directory !== "/"; directory = dirname(directory))
		if ((statSync(directory).mode & 0o001) === 0)
			problems.push(`Envoy's user ${proxyUid} cannot pass through ${directory}; chmod o+x ${directory}`);
	return problems;
}

function idIsMapped(map: string, id: number): boolean {
	return map
		.trim()
		.split("\n")
		.some((line) => {
			const [inside, , length] = line.trim().split(/\s+/).map(Number);
			return inside !== undefined && length !== undefined && id >= inside && id < inside + length;
		});
}
