// Where the node's spare Envoy has its files and sockets, below the agent's state directory.

export interface SparePaths {
	/** Root's; Envoy's user may pass through it. */
	readonly directory: string;
	/** Envoy's: it makes its sockets here, and nothing that root would open. */
	readonly sockets: string;
	/** Links to the pods' network namespaces, each under a name that is never used again. */
	readonly namespaces: string;
	/** Where the agent serves what the pods' own Envoys accepted. */
	readonly xdsSocket: string;
	readonly adminSocket: string;
	/** Answered by a worker. */
	readonly watchSocket: string;
	/** Which process it is. */
	readonly record: string;
	readonly log: string;
}

export function sparePaths(state: string): SparePaths {
	const directory = `${state}/spare`;
	const sockets = `${directory}/s`;
	return {
		directory,
		sockets,
		namespaces: `${directory}/ns`,
		xdsSocket: `${directory}/xds.sock`,
		adminSocket: `${sockets}/admin.sock`,
		watchSocket: `${sockets}/watch.sock`,
		record: `${state}/spare.json`,
		log: `${directory}/envoy.log`,
	};
}
