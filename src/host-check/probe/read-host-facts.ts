// Everything that a check looks at, read at once. In: the root, what the operator says the machine does. Out: facts; what cannot
// be read is absent. Nothing of the machine is changed.

import { availableParallelism } from "node:os";
import type { HostFacts, Use } from "../host-facts.ts";
import type { MachineRoot } from "./machine-root.ts";
import { readClock } from "./read-clock.ts";
import { readCgroupLimits, readLimits } from "./read-limits.ts";
import { readConntrack, readIpv6, readNeighbours } from "./read-network-counts.ts";
import { readPreemption } from "./read-preemption.ts";
import { readListening, readProcesses, readVrrpSockets } from "./read-programs.ts";
import { readSysctlFiles, readSysctls } from "./read-sysctls.ts";
import { readChains, tryNftables } from "./try-nftables.ts";

const watchedPorts = new Set([15_012, 15_014, 10_249, 10_256]);

/** `programs`: where the programs that Keepmesh starts were found. Trials and questions to nft are for the machine itself only. */
export async function readHostFacts(
	root: MachineRoot,
	usesGiven: ReadonlySet<Use>,
	programs: ReadonlyMap<string, string | undefined>,
): Promise<HostFacts> {
	const release = root.read("proc/sys/kernel/osrelease")?.trim() ?? "0.0";
	const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
	const ipvs = root.read("proc/net/ip_vs");
	const preemption = readPreemption(root, release);
	const chains = root.isMachine ? await readChains() : undefined;
	return {
		kernel: { release, major, minor },
		...(preemption ? { preemption } : {}),
		memoryBytes: Number(/^MemTotal:\s+(\d+) kB/m.exec(root.read("proc/meminfo") ?? "")?.[1] ?? 0) * 1024,
		cpus: countProcessors(root),
		sysctls: readSysctls(root),
		sysctlFiles: readSysctlFiles(root),
		uses: usesGiven,
		...readLimits(root),
		...readCgroupLimits(root),
		trials: root.isMachine ? await tryNftables() : new Map(),
		processes: readProcesses(root),
		listening: readListening(root, watchedPorts),
		vrrpSockets: readVrrpSockets(root),
		...(chains ? { chains } : {}),
		legacyTables: (root.read("proc/net/ip_tables_names") ?? "").split("\n").filter((name) => name !== ""),
		...(ipvs === undefined ? {} : { virtualServers: countVirtualServers(ipvs) }),
		modules: new Map([["ip_vs", moduleState(root, release, "ip_vs")]]),
		bridges: root.list("sys/class/net").filter((name) => root.list(`sys/class/net/${name}/bridge`).length > 0),
		...readConntrack(root),
		...readNeighbours(root),
		...readIpv6(root),
		clock: await readClock(root),
		programs,
		hasNetworkNamespaces: root.link("proc/self/ns/net") !== undefined,
	};
}

function countProcessors(root: MachineRoot): number {
	const listed = root.read("proc/cpuinfo")?.match(/^processor\s*:/gm)?.length ?? 0;
	// Not every architecture lists them that way.
	return listed > 0 ? listed : availableParallelism();
}

function countVirtualServers(text: string): number {
	return text.split("\n").filter((line) => /^(TCP|UDP|SCTP|FWM)\s/.test(line)).length;
}

function moduleState(root: MachineRoot, release: string, name: string): "present" | "loadable" | "absent" {
	const isLoaded = new RegExp(`^${name} `, "m").test(root.read("proc/modules") ?? "");
	const builtIn = new RegExp(`/${name}\\.ko`, "m").test(root.read(`lib/modules/${release}/modules.builtin`) ?? "");
	if (isLoaded || builtIn || (name === "ip_vs" && root.read("proc/net/ip_vs") !== undefined)) return "present";
	const canLoad = new RegExp(`/${name}\\.ko`, "m").test(root.read(`lib/modules/${release}/modules.dep`) ?? "");
	return canLoad ? "loadable" : "absent";
}
