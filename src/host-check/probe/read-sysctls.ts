// Values below /proc/sys, and the files that set them when the machine starts (sysctl.d(5)).

import type { SysctlLine } from "../host-facts.ts";
import { allSettings } from "../settings/all-settings.ts";
import { parseAssignment } from "../sysctl-file.ts";
import type { MachineRoot } from "./machine-root.ts";

/** What settings read beside their own keys. */
const alsoRead: readonly string[] = [
	"net/core/netdev_max_backlog",
	"net/ipv4/ip_local_reserved_ports",
	"kernel/sched_rt_runtime_us",
	"net/ipv4/conf/*/rp_filter",
	"net/ipv6/conf/*/accept_ra",
];

export function readSysctls(root: MachineRoot): ReadonlyMap<string, string> {
	const found = new Map<string, string>();
	const wanted = new Set(alsoRead);
	for (const setting of allSettings) {
		if (!("key" in setting)) continue;
		wanted.add(setting.key);
		for (const key of setting.alsoChanges ?? []) wanted.add(key);
	}
	for (const pattern of wanted) {
		for (const key of expand(root, pattern)) {
			const value = readSysctl(root, key);
			if (value !== undefined) found.set(key, value);
		}
	}
	return found;
}

export function readSysctl(root: MachineRoot, key: string): string | undefined {
	return root.read(`proc/sys/${key}`)?.trim().split(/\s+/).join(" ");
}

function expand(root: MachineRoot, pattern: string): readonly string[] {
	const [before, after] = pattern.split("/*/");
	if (before === undefined || after === undefined) return [pattern];
	return root.list(`proc/sys/${before}`).map((name) => `${before}/${name}/${after}`);
}

const directories = ["etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"];

/** By the names of the files, whatever their directory; of two with one name the earlier directory's is read. sysctl.conf is last. */
export function readSysctlFiles(root: MachineRoot): readonly SysctlLine[] {
	const files = new Map<string, string>();
	for (const directory of directories)
		for (const name of root.list(directory))
			if (name.endsWith(".conf") && !files.has(name)) files.set(name, `${directory}/${name}`);
	const ordered = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
	return [...ordered, "etc/sysctl.conf"].flatMap((path) => {
		const lines = root.read(path)?.split("\n") ?? [];
		return lines.flatMap((line): SysctlLine[] => {
			const set = parseAssignment(line);
			return set ? [{ file: `/${path}`, ...set }] : [];
		});
	});
}
