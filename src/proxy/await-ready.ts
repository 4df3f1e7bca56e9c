// What kubelet waits for before it starts a pod's application: a hook in the proxy's container, which ends when Envoy is ready. In:
// the word of the node's agent, which also knows of a pod that is being deleted; where there is no agent, Envoy's own. Out: whether
// the application may start. Kubelet does nothing else for the pod meanwhile, so nothing is waited for without need.

import { askNodeOnce, isOver } from "./ask-node.ts";

export interface AwaitReadyOptions {
	/** As in AskNodeOptions. */
	readonly socket: string;
	readonly say: (line: string) => void;
	/** Envoy's own word. */
	readonly isReady: () => Promise<boolean>;
	/** Without an agent nobody would say that the pod is being deleted. Default 30,000. */
	readonly mostAloneMs?: number;
}

const mostMs = 600_000;
const envoyEveryMs = 10;
const againMs = 50;

/** False: kubelet ends the container, and starts it again unless the pod is being deleted. */
export async function awaitReady({ isReady, mostAloneMs = 30_000, say, socket }: AwaitReadyOptions): Promise<boolean> {
	const startMs = performance.now();
	let aloneSinceMs: number | undefined;
	while (performance.now() - startMs < mostMs) {
		const answer = await askNodeOnce(socket, "/v1/ready").catch(() => undefined);
		if (answer?.status === isOver) {
			say(answer.body.trim());
			return false;
		}
		if (answer?.status === 200) return untilReady(isReady, startMs + mostMs);
		// One of an earlier version does not know the question.
		if (answer?.status !== 503 && (await isReady())) return true;
		aloneSinceMs = answer ? undefined : (aloneSinceMs ?? performance.now());
		if (aloneSinceMs !== undefined && performance.now() - aloneSinceMs > mostAloneMs) {
			say(`the node's agent has not been there for ${mostAloneMs / 1000} s`);
			return false;
		}
		await wait(againMs);
	}
	say(`the proxy is not ready after ${mostMs / 1000} s`);
	return false;
}

/** The agent knows some milliseconds before Envoy says so itself. */
async function untilReady(isReady: () => Promise<boolean>, endMs: number): Promise<boolean> {
	while (performance.now() < endMs) {
		if (await isReady()) return true;
		await wait(envoyEveryMs);
	}
	return false;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
