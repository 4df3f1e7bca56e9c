// Runs a command inside a pod: its network namespace, its own resolv.conf (and hosts file) by a private mount namespace, its
// own host name. All mounts end with the process. Also the way of `keepmesh lab exec`.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { netnsPath } from "./network.ts";

export interface PodPlace {
	readonly netns: string;
	readonly hostName: string;
	/** Files that the command sees as /etc/resolv.conf and /etc/hosts; empty: the machine's own. */
	readonly resolvConf: string;
	readonly hosts: string;
}

const enter = [
	"set -e",
	'[ -z "$1" ] || mount --bind "$1" /etc/resolv.conf',
	'[ -z "$2" ] || mount --bind "$2" /etc/hosts',
	// In a user namespace the file belongs to the machine's root, though the name is ours to set.
	'{ echo "$3" >/proc/sys/kernel/hostname; } 2>/dev/null || hostname "$3"',
	"shift 3",
	'exec "$@"',
].join("\n");

export function podCommand(place: PodPlace, argv: readonly string[]): readonly string[] {
	return [
		"nsenter",
		`--net=${netnsPath(place.netns)}`,
		"--",
		"unshare",
		"--mount",
		"--uts",
		"--propagation",
		"private",
		"--",
		"sh",
		"-c",
		enter,
		"sh",
		place.resolvConf,
		place.hosts,
		place.hostName,
		...argv,
	];
}

export function spawnInPod(place: PodPlace, argv: readonly string[], options: SpawnOptions): ChildProcess {
	const [file = "", ...args] = podCommand(place, argv);
	return spawn(file, args, options);
}
