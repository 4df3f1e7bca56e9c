// The verdicts on nodes, on a control plane of a cluster: who sends heartbeats and their key come from the API server; what
// follows goes to the control plane, and by the leader to a ConfigMap and to Events of the Nodes.

import { silenceReportPath } from "../../kubernetes/nodes-alive/silence-report.ts";
import { followAgents } from "../../kubernetes/nodes-alive/wire/follow-agents.ts";
import { followHeartbeatSecret } from "../../kubernetes/nodes-alive/wire/heartbeat-secret.ts";
import { lostNodesName, readLostNodes } from "../../kubernetes/nodes-alive/wire/lost-nodes-object.ts";
import { LostNodesWriter } from "../../kubernetes/nodes-alive/wire/lost-nodes-writer.ts";
import type { HeartbeatPeer } from "../../kubernetes/nodes-alive/wire/node-heartbeats.ts";
import { NodeProber } from "../../kubernetes/nodes-alive/wire/node-prober.ts";
import { objectNamed } from "../../snapshot/object-store.ts";
import { LostNodes } from "../control/lost-nodes.ts";
import type { ControlPart, ControlPartContext } from "./control-part.ts";

export async function lostNodesPart(context: ControlPartContext): Promise<ControlPart> {
	const { client, clock, control, leadership, log, metrics } = context;
	const { namespace } = context.options;
	const secret = followHeartbeatSecret({ namespace, makes: true }, { client, clock, log });
	const prober = new NodeProber({
		clock,
		keys: () => secret.keys(),
		onAnswered: (node, boot) => lost.answered(node, boot),
	});
	const writer = new LostNodesWriter(
		{ place: { namespace, name: lostNodesName }, reporter: context.options.pod },
		{ client, clock, log, isLeader: () => isRead && (leadership.isLeader || isLeaderLost()) },
	);
	const lost: LostNodes = new LostNodes({
		snapshot: () => control.snapshot,
		onLost: (now, away) => {
			control.setLost(now);
			writer.set(away);
		},
		onVerdict: (verdict) => writer.tell(verdict),
		prober,
		clock,
		log,
		metrics,
	});
	/** Then somebody else has to say so; the next leader is not elected so soon. */
	const isLeaderLost = (): boolean => {
		const pod = objectNamed(control.snapshot.objects, "Pod", namespace, leadership.holder ?? "");
		return pod !== undefined && lost.status().lost.some(({ node }) => node === pod.spec.nodeName);
	};
	// Whoever begins anew knows nothing yet: what is written down stays lost until it answers.
	const written = await readLostNodes({ namespace, name: lostNodesName }, client);
	let isRead = false;
	const onNodes = (peers: ReadonlyMap<string, HeartbeatPeer>): void => {
		lost.setNodes(peers);
		if (isRead) return;
		isRead = true;
		lost.adopt(written);
		writer.writeNow();
	};
	const agents = followAgents({ namespace }, { client, clock, log, onNodes });
	const unfollow = leadership.follow((isLeader) => {
		if (isLeader) writer.writeNow();
	});
	return {
		services: (rules) => new Map([[silenceReportPath, lost.service(rules)]]),
		routes: () => [{ method: "GET", path: "/api/v1/lost-nodes", answer: () => ({ json: lost.status() }) }],
		close: () => {
			unfollow();
			agents.close();
			secret.close();
			lost.close();
			writer.close();
		},
	};
}
