// What drills need of the group of control planes: who leads, writes as an operator makes them, and what callers see of them.

export interface DrillLeader {
	/** Resolves when one leads, the others know it, and all have what it has. */
	whole(): Promise<void>;
	/** SIGKILL to the control plane that leads; the lab starts it again. Resolves when the signal was sent. */
	killLeader(): Promise<void>;
	/** Asks a control plane that does not lead, and lives, for a rule that says the number. Resolves when it is accepted. */
	write(number: number): Promise<void>;
	/** The number that an answer to the caller carries now; undefined without one. */
	numberSeen(): Promise<number | undefined>;
}
