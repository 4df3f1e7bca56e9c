// What one test cluster looks like: names and addresses of its machines, worked out from the name of the set, the number of the
// cluster in it and the count of its nodes. Sets never reach each other, so each may use the same addresses.

export interface MachineShape {
	/** `cp` for the control plane, `n1`, `n2`, ... for nodes; also the name of the Kubernetes Node. */
	readonly name: string;
	/** Network namespace, and directory below each cgroup hierarchy. */
	readonly id: string;
	readonly ip: string;
}

export interface NodeShape extends MachineShape {
	/** Addresses of its pods. */
	readonly podNetwork: string;
	/** Its link's end in the control plane's namespace. */
	readonly link: string;
	readonly zone: string;
}

export interface ClusterShape {
	/** 1, 2, ... within the set. */
	readonly number: number;
	readonly controlPlane: MachineShape;
	readonly nodes: readonly NodeShape[];
	/** First three numbers of the machines' addresses. */
	readonly machinePrefix: string;
	readonly podNetwork: string;
	readonly serviceNetwork: string;
	/** The Service `default/kubernetes`. */
	readonly apiServiceIp: string;
	readonly dnsIp: string;
	readonly region: string;
	/** Address towards the other clusters of the set. */
	readonly wanIp: string;
}

export interface SetShape {
	readonly name: string;
	readonly clusters: readonly ClusterShape[];
}

export interface SetOptions {
	readonly name: string;
	readonly clusters: number;
	readonly nodes: number;
}

export const apiPort = 6443;
export const clusterDomain = "cluster.local";
/** Nodes have addresses from .11 on, so that .2 to .10 and .100 upwards are free for virtual ones. */
const firstNodeAddress = 11;
export const mostNodes = 9;
export const mostClusters = 9;
/** Ends in a letter: the number of the cluster follows it. */
export const setNamePattern = /^[a-z]([a-z0-9]{0,6}[a-z])?$/;

export function planSet({ name, clusters, nodes }: SetOptions): SetShape {
	const numbers = Array.from({ length: clusters }, (_, index) => index + 1);
	return { name, clusters: numbers.map((number) => planCluster(name, number, nodes)) };
}

function planCluster(set: string, number: number, nodes: number): ClusterShape {
	const machinePrefix = `10.88.${number - 1}`;
	const pods = `10.${243 + number}`;
	const services = `10.${95 + number}`;
	const region = `region-${number}`;
	const id = (machine: string): string => `${set}${number}-${machine}`;
	return {
		number,
		controlPlane: { name: "cp", id: id("cp"), ip: `${machinePrefix}.1` },
		nodes: Array.from({ length: nodes }, (_, index) => ({
			name: `n${index + 1}`,
			id: id(`n${index + 1}`),
			ip: `${machinePrefix}.${firstNodeAddress + index}`,
			podNetwork: `${pods}.${index + 1}.0/24`,
			link: `v${index + 1}`,
			zone: `${region}${String.fromCharCode("a".charCodeAt(0) + index)}`,
		})),
		machinePrefix,
		podNetwork: `${pods}.0.0/16`,
		serviceNetwork: `${services}.0.0/16`,
		apiServiceIp: `${services}.0.1`,
		dnsIp: `${services}.0.10`,
		region,
		wanIp: `10.87.0.${number}`,
	};
}
