// Network namespaces for tests: a hub with a bridge, and hosts on it, each in a namespace of its own, with a worker inside.
// Everything is named kmn-PID-..., ends with the test, and is swept by the next test when one was killed.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findProcesses, signalProcess } from "./process-table.ts";

/** Why tests in namespaces cannot run here; undefined when they can. */
export const cannotRun: string | undefined = process.getuid?.() === 0 ? undefined : "needs root for network namespaces";

export const envoyBinary = join(import.meta.dirname, "../../.keepmesh/envoy");

export interface Host {
	readonly name: string;
	readonly ip: string;
	/** `/run/netns/kmn-...` */
	readonly netns: string;
	/** Runs a command in the worker inside; a second worker runs as another user. */
	run<Result>(command: object, options?: { readonly uid?: number }): Promise<Result>;
	exec(...command: readonly string[]): string;
}

export interface Rig {
	/** A directory for state that Envoy's user can pass through. */
	readonly directory: string;
	readonly hub: string;
	addHost(name: string, ip: string): Host;
	removeHost(host: Host): void;
	/** A namespace that the test made itself, named after a host's: removed with the others. */
	keep(namespace: string): void;
	/** One that was kept, before the others. */
	remove(namespace: string): void;
	close(): void;
}

const prefix = "kmn-";

export function createRig(): Rig {
	sweep();
	const own = `${prefix}${process.pid}-${Math.floor(performance.now())}`;
	const directory = mkdtempSync(join(tmpdir(), `${own}-`));
	chmodSync(directory, 0o711);
	const hub = `${own}-hub`;
	const namespaces = new Set<string>();
	const workers = new Map<string, Worker>();
	const ip = (...args: readonly string[]): string => execFileSync("ip", [...args], { encoding: "utf8" });
	ip("netns", "add", hub);
	namespaces.add(hub);
	ip("-n", hub, "link", "set", "lo", "up");
	ip("-n", hub, "link", "add", "br0", "type", "bridge");
	ip("-n", hub, "link", "set", "br0", "up");
	ip("-n", hub, "address", "add", "10.77.0.1/24", "dev", "br0");
	let count = 0;
	return {
		directory,
		hub,
		addHost: (name, address) => {
			const namespace = `${own}-${name}`;
			const netns = `/run/netns/${namespace}`;
			ip("netns", "add", namespace);
			namespaces.add(namespace);
			const port = `v${count++}`;
			ip("-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace);
			ip("-n", hub, "link", "set", port, "master", "br0", "up");
			ip("-n", namespace, "link", "set", "lo", "up");
			ip("-n", namespace, "link", "set", "eth0", "up");
			ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
			ip("-n", namespace, "route", "add", "default", "via", "10.77.0.1");
			const workerFor = (uid: number): Worker => {
				const key = `${namespace}/${uid}`;
				const worker = workers.get(key) ?? startWorker(netns, uid);
				workers.set(key, worker);
				return worker;
			};
			return {
				name: namespace,
				ip: address,
				netns,
				run: <Result>(command: object, options: { readonly uid?: number } = {}) =>
					workerFor(options.uid ?? 0).run(command) as Promise<Result>,
				exec: (...command) => execFileSync("nsenter", [`--net=${netns}`, "--", ...command], { encoding: "utf8" }),
			};
		},
		removeHost: (host) => {
			for (const [key, worker] of workers) if (key.startsWith(`${host.name}/`)) worker.end();
			ip("netns", "delete", host.name);
			namespaces.delete(host.name);
		},
		keep: (namespace) => void namespaces.add(namespace),
		remove: (namespace) => {
			ip("netns", "delete", namespace);
			namespaces.delete(namespace);
		},
		close: () => {
			for (const worker of workers.values()) worker.end();
			killProcessesOf(directory);
			for (const namespace of namespaces) {
				try {
					ip("netns", "delete", namespace);
				} catch {
					// Gone already.
				}
			}
			rmSync(directory, { recursive: true, force: true });
		},
	};
}

interface Worker {
	run(command: object): Promise<unknown>;
	end(): void;
}

function startWorker(netns: string, uid: number): Worker {
	const user = uid === 0 ? [] : ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups", "--"];
	const script = join(import.meta.dirname, "namespace-worker.testing.ts");
	const child: ChildProcess = spawn(
		"nsenter",
		[`--net=${netns}`, "--", ...user, process.execPath, "--no-warnings", script],
		{ stdio: ["pipe", "pipe", "inherit"] },
	);
	const waiting = new Map<number, (result: unknown) => void>();
	let sequence = 0;
	if (child.stdout)
		createInterface({ input: child.stdout }).on("line", (line) => {
			const { id, result } = JSON.parse(line) as { id: number; result: unknown };
			waiting.get(id)?.(result);
			waiting.delete(id);
		});
	return {
		run: (command) =>
			new Promise((resolve) => {
				const id = sequence++;
				waiting.set(id, resolve);
				child.stdin?.write(`${JSON.stringify({ id, command })}\n`);
			}),
		end: () => {
			child.kill("SIGKILL");
		},
	};
}

/** Ends what was started with a file below this directory on its command line: Envoys, agents, DNS. */
function killProcessesOf(directory: string): void {
	for (const target of findProcesses([])) {
		if (target.pid === process.pid) continue;
		if (commandLineOf(target.pid).some((word) => word.startsWith(`${directory}/`))) signalProcess(target, "SIGKILL");
	}
}

function commandLineOf(pid: number): readonly string[] {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
	} catch {
		return [];
	}
}

/** Removes what killed tests left: theirs are the names with the id of a process that is gone. */
function sweep(): void {
	const isLeftOver = (name: string): boolean => {
		const pid = name.match(/^kmn-(\d+)-/)?.[1];
		return pid !== undefined && !existsSync(`/proc/${pid}`);
	};
	for (const name of readdirSync(tmpdir()).filter(isLeftOver)) {
		killProcessesOf(join(tmpdir(), name));
		rmSync(join(tmpdir(), name), { recursive: true, force: true });
	}
	if (!existsSync("/run/netns")) return;
	for (const name of readdirSync("/run/netns").filter(isLeftOver)) {
		try {
			execFileSync("ip", ["netns", "delete", name], { stdio: "ignore" });
		} catch {
			// Another test sweeps at the same time.
		}
	}
}
