// All that is done to start one cluster, as text: commands that make cgroups and networks, and the scripts of its processes.
// What `--dry-run` prints is what runs. Certificates are the only other files.

import type { CgroupHierarchy } from "./cgroup-directories.ts";
import type { ClusterShape, MachineShape, NodeShape } from "./cluster-shape.ts";
import { type ControlPlaneProgram, controlPlaneCommand, controlPlanePrograms } from "./control-plane-commands.ts";
import { planNodeNetwork } from "./network-plan.ts";
import { planNodeFiles } from "./node-files.ts";
import type { ClusterOptions } from "./node-options.ts";
import { nodeCommand, renderNodeScript } from "./node-script.ts";
import { planCgroups, renderStartScript } from "./start-script.ts";

export interface PlannedFile {
	readonly path: string;
	readonly text: string;
}

export interface ControlPlanePlan {
	readonly commands: readonly string[];
	readonly startScripts: Readonly<Record<ControlPlaneProgram, PlannedFile>>;
}

export interface NodePlan {
	readonly node: NodeShape;
	/** For `sh -e`, each time that it boots. */
	readonly commands: readonly string[];
	readonly startScript: PlannedFile;
	/** The script of its first process, and configuration. */
	readonly files: readonly PlannedFile[];
}

export interface ClusterPlaces {
	/** Of this cluster's files; each machine has a directory of its name in it. */
	readonly directory: string;
	readonly programs: string;
	readonly cniPlugins: string;
}

export function planControlPlane(
	cluster: ClusterShape,
	hierarchies: readonly CgroupHierarchy[],
	places: ClusterPlaces,
	options: ClusterOptions,
): ControlPlanePlan {
	const machine = cluster.controlPlane;
	const own = machineFiles(places, machine);
	const paths = {
		programs: places.programs,
		pki: `${places.directory}/pki`,
		kubeconfigs: places.directory,
		etcdData: `${own}/etcd-data`,
	};
	const script = (program: ControlPlaneProgram): PlannedFile => ({
		path: `${own}/${program}.sh`,
		text: renderStartScript(machine, hierarchies, controlPlaneCommand(program, cluster, paths, options)),
	});
	const [etcd, api, controllers, scheduler] = controlPlanePrograms;
	return {
		commands: planCgroups(machine, hierarchies),
		startScripts: {
			[etcd]: script(etcd),
			[api]: script(api),
			[controllers]: script(controllers),
			[scheduler]: script(scheduler),
		},
	};
}

export function planNode(
	cluster: ClusterShape,
	node: NodeShape,
	hierarchies: readonly CgroupHierarchy[],
	places: ClusterPlaces,
	options: ClusterOptions,
): NodePlan {
	const own = machineFiles(places, node);
	const paths = { directory: own, programs: places.programs, cniPlugins: places.cniPlugins };
	const script = `${own}/node.sh`;
	return {
		node,
		commands: [...planCgroups(node, hierarchies), ...planNodeNetwork(cluster, node)],
		startScript: { path: `${own}/start.sh`, text: renderStartScript(node, hierarchies, nodeCommand(script)) },
		files: [
			{ path: script, text: renderNodeScript(cluster, node, hierarchies, paths, options) },
			...planNodeFiles(cluster, node).map(({ name, text }) => ({ path: `${own}/etc/${name}`, text })),
		],
	};
}

const machineFiles = (places: ClusterPlaces, machine: MachineShape): string => `${places.directory}/${machine.name}`;
