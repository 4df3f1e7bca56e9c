// What drills of the hot-switch need: one workload whose Envoy may be broken while requests go in and out of it, each on a new
// connection, from and to a pod without a proxy. Its policy permits plaintext.

export interface DrillSidecar {
	/**
	 * To the workload's Envoy; with `agentToo` the agent of its node is dead by then, and stays dead until `reviveAgent`. Resolves
	 * with when it was sent, on the clock of the mesh.
	 */
	break(signal: "SIGKILL" | "SIGSTOP", agentToo?: boolean): Promise<number>;
	reviveAgent(): Promise<void>;
	/** Resolves when new connections go through another Envoy or past all, as the agent says; rejects after a time. */
	untilSwitched(): Promise<void>;
	/** Resolves when new connections go through the workload's own Envoy, as the agent says; rejects after a time. */
	untilRestored(): Promise<void>;
	/** Opens connections through the Envoy, both ways, each with a request under way most of the time. */
	hold(): Promise<HeldConnections>;
	/** As an operator would. */
	bypassByHand(): Promise<void>;
	restoreByHand(): Promise<void>;
	/** Requests that were due before do not count any more. */
	countFromNow(): void;
}

export interface HeldConnections {
	/** Resolves with when the last of them was closed, on the clock of the mesh; rejects when one stays open. */
	untilClosed(): Promise<number>;
}
