// The network namespace of a pod that the CNI plug-in did not tell of: it was there before the agent, or there is no plug-in. In:
// the pod's uid. Out: a path that leads to its namespace, found by a process in the pod's control group.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";

/** Where container runtimes keep the names of namespaces. */
const namesDirectory = "/var/run/netns";

/** Undefined while no process of the pod runs. `names`: a directory of bind mounts, as in /run/netns. */
export function findNamespace(uid: string, names = namesDirectory): string | undefined {
	// systemd's slices have no hyphens in their names.
	const marks = [uid, uid.replaceAll("-", "_")];
	for (const pid of readdirSync("/proc")) {
		if (!/^\d+$/.test(pid)) continue;
		try {
			const groups = readFileSync(`/proc/${pid}/cgroup`, "latin1");
			if (!marks.some((mark) => groups.includes(mark))) continue;
			const { ino } = statSync(`/proc/${pid}/ns/net`);
			return namedNamespace(ino, names) ?? `/proc/${pid}/ns/net`;
		} catch {
			// It has ended.
		}
	}
	return undefined;
}

/** A pod's own, which kubelet tells only when it has started all that it can; IPv4 first. Empty when it has none, or is gone. */
export function addressesIn(netns: string): readonly string[] {
	try {
		const inside = insideNamespace(netns);
		try {
			const all = inside.run(() => Object.values(networkInterfaces()).flatMap((one) => one ?? []));
			const own = all.filter(({ address, internal }) => !internal && !/^fe80:/i.test(address));
			return own.sort((a, b) => a.family.localeCompare(b.family)).map(({ address }) => address);
		} finally {
			inside.close();
		}
	} catch {
		return [];
	}
}

function namedNamespace(inode: number, names: string): string | undefined {
	try {
		return readdirSync(names)
			.map((name) => join(names, name))
			.find((path) => statSync(path, { throwIfNoEntry: false })?.ino === inode);
	} catch {
		return undefined;
	}
}
