// A node's part in finding out which nodes are lost: it sends heartbeats, listens to a few others, and tells every control plane
// what it does not hear. Who takes part and the key come from the API server.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { SilenceNews } from "../../kubernetes/nodes-alive/silence-news.ts";
import { followAgents } from "../../kubernetes/nodes-alive/wire/follow-agents.ts";
import { followHeartbeatSecret } from "../../kubernetes/nodes-alive/wire/heartbeat-secret.ts";
import { machineBoot } from "../../kubernetes/nodes-alive/wire/machine-boot.ts";
import { NodeHeartbeats } from "../../kubernetes/nodes-alive/wire/node-heartbeats.ts";
import { SilenceReporter } from "../../kubernetes/nodes-alive/wire/silence-reporter.ts";
import { ControlCaller, type ControlSecurity } from "../../node/identity/control-caller.ts";
import type { HostPort } from "../../node/identity/control-trust.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { NodePart } from "../node/node-part.ts";

export interface NodesAliveOptions {
	readonly node: string;
	/** Where Keepmesh itself lives. */
	readonly namespace: string;
	/** Every control plane, each by itself where that is known. */
	readonly upstreams: () => readonly HostPort[];
	/** Undefined while the node has not joined the mesh. */
	readonly security: () => ControlSecurity | undefined;
	/** Other machines are not heard any more, and control planes may have been on them: all those that are silent now. */
	readonly onSilent: (nodes: readonly string[]) => void;
}

export function nodesAlivePart(
	options: NodesAliveOptions,
	deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log },
): NodePart {
	const { namespace, node, onSilent, security, upstreams } = options;
	const { clock, log } = deps;
	const secret = followHeartbeatSecret({ namespace, makes: false }, deps);
	const caller = (upstream: HostPort): ControlCaller => new ControlCaller({ upstreams: [upstream], clock });
	const reporter = new SilenceReporter({ node, upstreams, security, caller, clock, log });
	const news = new SilenceNews();
	const heartbeats = new NodeHeartbeats(
		{ node, boot: machineBoot(), keys: () => secret.keys() },
		{
			clock,
			log,
			onSilent: (silent) => {
				reporter.report(silent);
				const nodes = silent.map((one) => one.node);
				if (news.silent(nodes)) onSilent(nodes);
			},
			// This one does not listen to all, and its control plane may have gone with one that it does not listen to.
			onLost: (lost) => {
				log.warn({ node: lost }, "a control plane says that a node is lost");
				if (news.lost(lost)) onSilent([lost]);
			},
		},
	);
	const agents = followAgents({ namespace }, { ...deps, onNodes: (peers) => heartbeats.setPeers(peers) });
	return {
		started: async () => {
			await heartbeats.open();
			// Connections are made before there is anything to tell.
			reporter.report([]);
		},
		metrics: () => metricsOf(heartbeats.status()),
		close: () => {
			agents.close();
			heartbeats.close();
			reporter.close();
			secret.close();
		},
	};
}

function metricsOf({ listensTo, received, sent, silent }: ReturnType<NodeHeartbeats["status"]>): string {
	return [
		"# HELP keepmesh_heartbeats_sent_total Heartbeats to the nodes that listen to this one.",
		"# TYPE keepmesh_heartbeats_sent_total counter",
		`keepmesh_heartbeats_sent_total ${sent}`,
		"# HELP keepmesh_heartbeats_received_total Heartbeats of other nodes.",
		"# TYPE keepmesh_heartbeats_received_total counter",
		`keepmesh_heartbeats_received_total ${received}`,
		"# HELP keepmesh_heartbeats_listened Nodes that this one listens to.",
		"# TYPE keepmesh_heartbeats_listened gauge",
		`keepmesh_heartbeats_listened ${listensTo.length}`,
		"# HELP keepmesh_heartbeats_silent Of those, nodes of which nothing is heard.",
		"# TYPE keepmesh_heartbeats_silent gauge",
		`keepmesh_heartbeats_silent ${silent.length}`,
		"",
	].join("\n");
}
