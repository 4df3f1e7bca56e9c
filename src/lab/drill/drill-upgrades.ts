// What drills need in order to replace parts of a running mesh by other versions of themselves, as an upgrade does.

export interface DrillUpgrades {
	/**
	 * The agents of all nodes, one after the other, end and are started again as another version of Keepmesh, with the same state
	 * directory. Resolves when all of them have every pod ready: with the time, and what is not as it was (an Envoy that is another
	 * process, a redirect with other rules).
	 */
	upgradeAgents(): Promise<Upgraded>;
	/** The same for the control planes; resolves when each answers and every proxy is in sync. */
	upgradeControlPlanes(): Promise<Upgraded>;
	/**
	 * Another Envoy program, for all pods of the load. Resolves when each pod has a process of the new one, with the time since the
	 * agents know of it; rejects when one keeps its own. The old ones may still have connections.
	 */
	upgradeEnvoys(): Promise<Upgraded>;
	/** Resolves with the time until the Envoys of before have ended; rejects after a while. */
	untilOldEnvoysEnded(): Promise<number>;
	/** A server leaves, with time to drain, and another takes its place. Resolves when it has gone, with the time. */
	drainServer(): Promise<number>;
}

export interface Upgraded {
	readonly tookMs: number;
	/** What should not have been touched, or is not what it should be. */
	readonly wrong: readonly string[];
}
