// Where a machine's processes live in the cgroup (version 1) hierarchies: in a directory of its own below this process's own, so
// that nothing leaves the accounting of whoever started the cluster. In: /proc/self/cgroup. See cgroups(7).

export interface CgroupHierarchy {
	/** Directory below /sys/fs/cgroup: `memory`, `cpu,cpuacct`, `systemd`, `unified`. */
	readonly directory: string;
	/** Options of its mount; undefined for the hierarchy of version 2. */
	readonly mountOptions: string | undefined;
	readonly needsCpuset: boolean;
	/** This process's own path in it. */
	readonly path: string;
}

export const cgroupRoot = "/sys/fs/cgroup";

export function readHierarchies(procSelfCgroup: string): readonly CgroupHierarchy[] {
	return procSelfCgroup
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => {
			const [, controllers = "", ...rest] = line.split(":");
			const path = rest.join(":");
			if (controllers === "") return { directory: "unified", mountOptions: undefined, needsCpuset: false, path };
			const name = controllers.startsWith("name=") ? controllers.slice("name=".length) : undefined;
			return {
				directory: name ?? controllers,
				mountOptions: name === undefined ? controllers : `none,${controllers}`,
				needsCpuset: controllers.split(",").includes("cpuset"),
				path,
			};
		});
}

export function machineCgroup(hierarchy: CgroupHierarchy, machineId: string): string {
	return `${cgroupRoot}/${hierarchy.directory}${hierarchy.path === "/" ? "" : hierarchy.path}/${machineId}`;
}

/** Why nodes cannot run on these hierarchies; undefined when they can. */
export function whyNotThese(hierarchies: readonly CgroupHierarchy[]): string | undefined {
	const has = hierarchies.flatMap(({ mountOptions }) => mountOptions?.split(",") ?? []);
	const missing = ["cpu", "cpuset", "memory", "pids", "devices", "freezer"].filter((name) => !has.includes(name));
	if (missing.length === 0) return undefined;
	return `nodes need cgroup version 1 with the controllers ${missing.join(", ")}`;
}
