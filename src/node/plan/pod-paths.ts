// Where the node agent keeps what belongs to it: names of files and sockets below its state directory.

export interface NodePaths {
	readonly state: string;
	/** Local HTTP API, root only. */
	readonly apiSocket: string;
	/** The relay, for the Envoys of this machine. */
	readonly xdsSocket: string;
	/** Merged metrics, asked by the Envoys' listeners on 15020. */
	readonly metricsSocket: string;
	/** Workload certificates over SDS. */
	readonly secretSocket: string;
	/** Directory of keys and certificates, root only. */
	readonly identity: string;
	/** What proxies accepted last, and the socket that serves it to the relay. */
	readonly configCache: string;
	readonly cacheSocket: string;
	/** Directory of what may be done for each pod whose proxy fails. */
	readonly hotSwitchPolicies: string;
	/** The switches of its pods, a line each. */
	readonly switches: string;
	/** When a control plane was last in contact with each proxy. */
	readonly contacts: string;
	readonly nameTable: string;
	readonly dnsRecord: string;
	readonly dnsLog: string;
	/** State directory of the vip process, its record and its log. */
	readonly vip: string;
	readonly vipRecord: string;
	readonly vipLog: string;
	/** There once this agent has written layer-4 rules. */
	readonly layer4Mark: string;
	readonly pods: string;
}

/** Two Envoys of a pod stand beside each other while one hands over to the other; each has files of its own. */
export type ProxySlot = 0 | 1;

export function otherSlot(slot: ProxySlot): ProxySlot {
	return slot === 0 ? 1 : 0;
}

export interface PodPaths {
	/** The agent's record: what was asked for and which process serves it. */
	readonly record: string;
	/** Root's; Envoy's user may read. */
	readonly directory: string;
	/** Envoy's: it makes its sockets here, and nothing that root would open. */
	readonly sockets: string;
	readonly bootstrap: string;
	readonly log: string;
	readonly adminSocket: string;
	/** Envoy listens here and forwards to the application's metrics port. */
	readonly appMetricsSocket: string;
	/** What the table in the kernel is, and what the pod's switch must still know after the agent was ended. */
	readonly keptRedirect: string;
	readonly keptSwitch: string;
	/** Where the agent asks Envoy how it does. */
	readonly watchSocket: string;
	/** Envoy's connection to itself, for its signs of life. */
	readonly leaseSocket: string;
	/** Root's; Envoy's user may read: in it the file that says how eagerly a draining Envoy closes connections. */
	readonly pressureDirectory: string;
	readonly pressureFile: string;
}

export function nodePaths(state: string): NodePaths {
	return {
		state,
		apiSocket: `${state}/node.sock`,
		xdsSocket: `${state}/xds.sock`,
		metricsSocket: `${state}/metrics.sock`,
		secretSocket: `${state}/sds.sock`,
		identity: `${state}/identity`,
		configCache: `${state}/accepted`,
		cacheSocket: `${state}/accepted.sock`,
		hotSwitchPolicies: `${state}/hot-switch`,
		switches: `${state}/switches.jsonl`,
		contacts: `${state}/contacts.json`,
		nameTable: `${state}/name-table.json`,
		dnsRecord: `${state}/dns.json`,
		dnsLog: `${state}/dns.log`,
		vip: `${state}/vip`,
		vipRecord: `${state}/vip.json`,
		vipLog: `${state}/vip.log`,
		layer4Mark: `${state}/layer4`,
		pods: `${state}/pods`,
	};
}

export function podPaths(state: string, uid: string, slot: ProxySlot = 0): PodPaths {
	const directory = `${state}/pods/${uid}`;
	const sockets = `${directory}/${slot === 0 ? "s" : "t"}`;
	const pressureDirectory = `${directory}/${slot === 0 ? "p" : "q"}`;
	return {
		record: `${directory}.json`,
		directory,
		sockets,
		bootstrap: `${directory}/bootstrap${slot === 0 ? "" : "-1"}.json`,
		log: `${directory}/envoy.log`,
		adminSocket: `${sockets}/admin.sock`,
		appMetricsSocket: `${sockets}/app.sock`,
		watchSocket: `${sockets}/watch.sock`,
		keptRedirect: `${directory}/redirect.json`,
		keptSwitch: `${directory}/switch.json`,
		leaseSocket: `${sockets}/lease.sock`,
		pressureDirectory,
		pressureFile: `${pressureDirectory}/pressure`,
	};
}

/** Longest path that a Unix socket may have on Linux. */
export const maxSocketPathBytes = 107;
