// Programs that run in this network namespace and may get in the way, and who holds which socket. In: /proc. Out: names and
// process ids. Sockets of other users need root to be traced to their holder.

import type { Holder, ListeningPort, RunningProgram } from "../host-facts.ts";
import type { MachineRoot } from "./machine-root.ts";

const watched = new Set(["kube-proxy", "keepalived", "firewalld", "dockerd"]);
const listenState = "0A";
const vrrpProtocol = 112;

/** Those of other network namespaces are of no matter. */
export function readProcesses(root: MachineRoot): readonly RunningProgram[] {
	const own = root.link("proc/self/ns/net");
	const found: RunningProgram[] = [];
	for (const { pid, name } of processesOf(root)) {
		if (!watched.has(name) || root.link(`proc/${pid}/ns/net`) !== own) continue;
		const command = root.read(`proc/${pid}/cmdline`)?.split("\0").join(" ").trim() ?? name;
		found.push({ pid, name, command });
	}
	return found;
}

export function readListening(root: MachineRoot, ports: ReadonlySet<number>): readonly ListeningPort[] {
	const inodes = new Map<string, number>();
	for (const file of ["proc/net/tcp", "proc/net/tcp6"])
		for (const socket of readSockets(root, file))
			if (socket.state === listenState && ports.has(socket.port)) inodes.set(socket.inode, socket.port);
	const holders = holdersOf(root, new Set(inodes.keys()));
	return [...inodes].map(([inode, port]) => {
		const holder = holders.get(inode);
		return { protocol: "tcp", port, ...(holder ? { holder } : {}) };
	});
}

export function readVrrpSockets(root: MachineRoot): readonly Holder[] {
	const inodes = ["proc/net/raw", "proc/net/raw6"]
		.flatMap((file) => readSockets(root, file))
		.filter(({ port }) => port === vrrpProtocol)
		.map(({ inode }) => inode);
	const holders = new Map([...holdersOf(root, new Set(inodes)).values()].map((holder) => [holder.pid, holder]));
	return [...holders.values()];
}

/** A raw socket's protocol stands where others have their port. */
function readSockets(root: MachineRoot, file: string): readonly { port: number; state: string; inode: string }[] {
	const lines = root.read(file)?.trim().split("\n").slice(1) ?? [];
	return lines.flatMap((line) => {
		const fields = line.trim().split(/\s+/);
		const [, local = "", , state = ""] = fields;
		const inode = fields[9];
		return inode === undefined ? [] : [{ port: Number.parseInt(local.split(":")[1] ?? "", 16), state, inode }];
	});
}

function holdersOf(root: MachineRoot, inodes: ReadonlySet<string>): ReadonlyMap<string, Holder> {
	const holders = new Map<string, Holder>();
	if (inodes.size === 0) return holders;
	for (const { pid, name } of processesOf(root)) {
		for (const file of root.list(`proc/${pid}/fd`)) {
			const inode = /^socket:\[(\d+)\]$/.exec(root.link(`proc/${pid}/fd/${file}`) ?? "")?.[1];
			if (inode !== undefined && inodes.has(inode) && !holders.has(inode)) holders.set(inode, { pid, name });
		}
	}
	return holders;
}

/** A process of ours is called by its command, not `node`. */
function processesOf(root: MachineRoot): readonly Holder[] {
	return root.list("proc").flatMap((entry): Holder[] => {
		if (!/^\d+$/.test(entry)) return [];
		const name = root.read(`proc/${entry}/comm`)?.trim();
		if (name === undefined) return [];
		const isOurs = name.startsWith("node") && /keepmesh/.test(root.read(`proc/${entry}/cmdline`) ?? "");
		return [{ pid: Number(entry), name: isOurs ? "keepmesh" : name }];
	});
}
