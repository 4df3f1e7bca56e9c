// The script that starts one process of a machine: it enters the machine's cgroups first, so that whatever comes of it is found
// and ended there, then its network namespace.

import { type CgroupHierarchy, machineCgroup } from "./cgroup-directories.ts";
import type { MachineShape } from "./cluster-shape.ts";

export function renderStartScript(
	machine: MachineShape,
	hierarchies: readonly CgroupHierarchy[],
	command: readonly string[],
): string {
	const directories = hierarchies.map((hierarchy) => machineCgroup(hierarchy, machine.id));
	return [
		"#!/bin/sh",
		"set -eu",
		...directories.map((directory) => `echo $$ >${quote(`${directory}/cgroup.procs`)}`),
		`exec nsenter --net=/run/netns/${machine.id} \\`,
		`  ${command.map(quote).join(" \\\n  ")}`,
		"",
	].join("\n");
}

/** The commands that make a machine's cgroups; the cpuset one starts with what its parent may use. */
export function planCgroups(machine: MachineShape, hierarchies: readonly CgroupHierarchy[]): readonly string[] {
	return hierarchies.flatMap((hierarchy) => {
		const directory = machineCgroup(hierarchy, machine.id);
		const copies = ["cpus", "mems"].map((name) => `cat ${directory}/../cpuset.${name} >${directory}/cpuset.${name}`);
		return [`mkdir -p ${directory}`, ...(hierarchy.needsCpuset ? copies : [])];
	});
}

/** One word of a shell command. */
export function quote(word: string): string {
	return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
