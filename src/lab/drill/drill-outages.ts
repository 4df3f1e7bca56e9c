// What drills need in order to take parts of the mesh away: control planes, node agents, the way between them, a server, sense
// from the configuration.

export interface DrillOutages {
	/** SIGKILL to all of them; none is started again before `reviveControlPlanes`. Resolves when none answers. */
	killControlPlanes(): Promise<void>;
	/** Resolves when every proxy is connected and in sync again. */
	reviveControlPlanes(): Promise<void>;
	/**
	 * SIGKILL to the Envoy of a pod that the load does not pass. Resolves with the time until a request of that pod, through a new
	 * Envoy, is answered.
	 */
	restartEnvoy(): Promise<number>;
	/**
	 * SIGKILL to the agent of every node, which is started again. Resolves with the time until all of them have all pods ready, and
	 * what is not as it was: an Envoy that is another process, a redirect with other rules.
	 */
	killAgents(): Promise<{ readonly backMs: number; readonly touched: readonly string[] }>;
	/** The caller's node and the control planes no longer hear each other. */
	cut(): Promise<void>;
	heal(): Promise<void>;
	/** Changes a rule for the caller's requests; answers carry its number. Resolves when every control plane has it. */
	change(number: number): Promise<void>;
	/** The same, without waiting for anybody. */
	write(number: number): Promise<void>;
	/** The number that an answer carries now; undefined without one. */
	numberSeen(): Promise<number | undefined>;
	/**
	 * SIGKILL to one of three servers, whose container is started again. Resolves with the times from the kill until the caller's
	 * Envoy no longer chooses it, and until it is chosen again.
	 */
	crashServer(): Promise<{ readonly outMs: number; readonly backMs: number }>;
	/**
	 * Writes a rule that means nothing: one that validation refuses, or one that only Envoy rejects. Resolves with the time until
	 * every control plane names it in its status, or one of them the Envoys that reject it.
	 */
	writeNonsense(by: "validation" | "envoy"): Promise<number>;
	removeNonsense(): Promise<void>;
}
