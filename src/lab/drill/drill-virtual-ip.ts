// What drills of virtual IPs need: an address that two nodes may hold, ways to break its owner, and who holds it. A client probes
// it once a millisecond as their load.

export interface DrillVirtualIp {
	/** The only node whose kernel holds the address now, with a link that carries; undefined while none or two do. */
	owner(): Promise<string | undefined>;
	/** Resolves when that node holds it alone; rejects after 15 s. */
	untilOwner(node: string): Promise<void>;
	/** The nodes, both of which run. */
	readonly nodes: readonly string[];
	/** SIGKILL to the node's virtual-IP process and all that it started, and its cable is pulled. */
	crash(node: string): Promise<void>;
	/** The machine is back, without the address, and so is its cable. Resolves when it may own again. */
	repair(node: string): Promise<void>;
	/** SIGTERM; it is started again. */
	stop(node: string): Promise<void>;
	/** Resolves when the node's process has run for a while after `stop` or `crash`. */
	untilRuns(node: string): Promise<void>;
	/** The service behind the address dies on that node: it answers nobody, and its health check finds nothing. */
	killService(node: string): Promise<void>;
	reviveService(node: string): Promise<void>;
	/** The nodes no longer hear each other; clients hear and reach both. While they are apart, two owners are not wrong. */
	part(): Promise<void>;
	/** Resolves with the time from the repair until one node alone holds the address. */
	heal(): Promise<number>;
	/** Adverts as an attacker on the network could send them. Resolves with how many were sent, and dropped as what they are. */
	forge(): Promise<{ readonly sent: number; readonly dropped: number }>;
}
