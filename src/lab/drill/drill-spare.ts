// What drills of the spare need: one workload under STRICT mutual TLS and policies, whose Envoy may be taken away while requests go
// in and out of it. What must never be (answers to strangers, to requests that a policy denies, plaintext on the wire) is counted
// by its load.

export interface DrillSpare {
	/** SIGKILL to the workload's Envoy. Resolves with when it was sent, on the clock of the mesh. */
	killSidecar(): Promise<number>;
	/** Resolves when the node's spare has the workload's connections, as the agent says; rejects after a time. */
	untilOnSpare(): Promise<void>;
	/** Resolves when the workload's own Envoy has them, as the agent says; rejects after a time. */
	untilOnSidecar(): Promise<void>;
	/** As an operator would. */
	bypassByHand(): Promise<void>;
	restoreByHand(): Promise<void>;
}
