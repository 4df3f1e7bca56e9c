// Where a process of a pod is in the kernel's control groups. In: its id, and what /proc says of it and of the first process of the
// machine. Out: a directory for each hierarchy that pods are kept in, also with cgroup v1 and its many. See cgroups(7).

import { readFileSync } from "node:fs";

interface Mount {
	/** What of the hierarchy is mounted there. */
	readonly root: string;
	readonly place: string;
	/** Absent: version 2, which has one hierarchy. */
	readonly controllers?: readonly string[];
}

/** Kubelet names a pod's group by its uid; systemd's slices have no hyphens in their names. */
const inPod = /^(?:\/[^/]+)*?\/[^/]*pod[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}[^/]*(?=\/)/;

/** Empty: it is in no pod, it has ended, or its groups are not mounted. `proc`: the machine's. */
export function podGroups(pid: number | "self", proc = "/proc"): readonly string[] {
	const mounts = readLines(`${proc}/1/mountinfo`).flatMap(mountOf);
	return readLines(`${proc}/${pid}/cgroup`).flatMap((line) => {
		const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
		if (!inPod.test(path)) return [];
		const mount = mounts.find((one) =>
			controllers === "" ? !one.controllers : controllers.split(",").every((name) => one.controllers?.includes(name)),
		);
		const within = mount && inside(path, mount.root);
		return within === undefined ? [] : [`${proc}/1/root${mount?.place}${within}`];
	});
}

/** The group of the whole pod, of one that podGroups told. */
export function groupOfPod(group: string): string | undefined {
	return inPod.exec(group)?.[0];
}

function mountOf(line: string): readonly Mount[] {
	const [before = "", after = ""] = line.split(" - ");
	const [, , , root = "", place = ""] = before.split(" ");
	const [type, , options = ""] = after.split(" ");
	if (type === "cgroup2") return [{ root, place }];
	return type === "cgroup" ? [{ root, place, controllers: options.split(",") }] : [];
}

function inside(path: string, root: string): string | undefined {
	if (root === "/") return path;
	return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

function readLines(file: string): readonly string[] {
	try {
		return readFileSync(file, "utf8").split("\n");
	} catch {
		return [];
	}
}
