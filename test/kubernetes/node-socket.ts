// What processes of a node answer on their Unix sockets, asked from outside of the cluster, through the node's files.

import { findFirstProcess } from "../../cluster/machine-processes.ts";
import { readSocketText } from "../../src/app/drill/read-socket-text.ts";
import type { AgentPod } from "../../src/kubernetes/drill/peer-agent.ts";
import type { TestCluster } from "./test-cluster.ts";

/** GET of `path`; undefined while nobody answers it well. `socket`: the file on the node. */
export async function askOnNode<Answer>(
	{ record, shape }: TestCluster,
	nodeName: string,
	socket: string,
	path: string,
): Promise<Answer | undefined> {
	const node = shape.nodes.find(({ name }) => name === nodeName);
	const pid = node && findFirstProcess(node, record.hierarchies);
	if (pid === undefined) return undefined;
	const answer = await readSocketText(`/proc/${pid}/root${socket}`, path).catch(() => undefined);
	return answer === undefined ? undefined : (JSON.parse(answer) as Answer);
}

/** The agent of the pod's node says that the node's spare Envoy could take the pod's connections. `state`: the agent's directory. */
export async function isSpareReady(cluster: TestCluster, pod: string, state: string): Promise<boolean> {
	const words = await cluster.kubectl("get", "pod", pod, "--output", "jsonpath={.spec.nodeName} {.metadata.uid}");
	const [node = "", uid = ""] = words.split(" ");
	const said = await askOnNode<AgentPod>(cluster, node, `${state}/node.sock`, `/v1/pods/${uid}`);
	return said?.spareReady === true;
}
