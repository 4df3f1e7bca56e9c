// A LAN of namespaces for virtual IPs: routers that run Keepmesh's or somebody else's daemon, and a client. Who holds which
// address since when is read from the kernel's own events, so that gaps and double owners have a length.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceStatus, VipStatus } from "../../src/app/vip/vip-status.ts";
import { createRig, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";

import { conf } from "./vip-conf.ts";

export const root = join(import.meta.dirname, "../..");

/** Of a package that the set-up installs for tests; undefined when it is there. */
export function missing(program: string): string | undefined {
	try {
		execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`], { stdio: "ignore" });
		return undefined;
	} catch {
		return `${program} is not installed`;
	}
}

export type Program = "keepmesh" | "keepalived";

/** A first start is among others that start. */
export const startMs = 8000;
/** How much longer than its timers a machine that is busy with other tests may take. */
export const slackMs = 3000;
/** The events of two kernels' namespaces reach two processes; nobody is a double owner for less. */
export const toleratedOverlapMs = 60;

/** Node translates the program at its first start after a change: not while time is measured, and not many times at once. */
export async function warmUp(): Promise<void> {
	const lan = new VipLan();
	try {
		const node = lan.addNode("warm");
		node.start("keepmesh", conf());
		await node.untilLog(/virtual IPs run/, 60_000);
		node.command("status");
		await node.stop();
	} finally {
		lan.close();
	}
}

interface Span {
	readonly fromMs: number;
	toMs: number;
}

export class VipLan {
	readonly rig: Rig = createRig();
	readonly nodes: VipNode[] = [];
	readonly #processes: ChildProcess[] = [];
	#client: Host | undefined;

	/** With addresses 10.77.0.N, fd77::N and fe80::N. */
	addNode(name: string): VipNode {
		const number = this.nodes.length + 2;
		const host = this.addHost(name, number);
		const node = new VipNode(this, host, name, number, `v${number - 2}`);
		this.nodes.push(node);
		return node;
	}

	/** Once the routers are there. */
	get client(): Host {
		this.#client ??= this.addHost("client", 60);
		return this.#client;
	}

	addHost(name: string, number: number): Host {
		const host = this.rig.addHost(name, `10.77.0.${number}`);
		// Others' link-local addresses would be usable only after a second or two.
		host.exec("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad");
		host.exec("ip", "address", "flush", "dev", "eth0", "scope", "link");
		host.exec("ip", "address", "add", `fe80::${number}/64`, "dev", "eth0", "nodad");
		host.exec("ip", "address", "add", `fd77::${number}/64`, "dev", "eth0", "nodad");
		return host;
	}

	/** Ends with the test, also when that is killed. */
	spawn(netns: string, command: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
		const child = spawn("setpriv", ["--pdeathsig", "KILL", "nsenter", `--net=${netns}`, "--", ...command], {
			stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...environment },
		});
		this.#processes.push(child);
		return child;
	}

	/** The port of a node on the bridge, up or down, as when a cable is pulled. */
	cable(node: VipNode, state: "up" | "down"): void {
		execFileSync("ip", ["-n", this.rig.hub, "link", "set", node.port, state]);
		node.isOff = state === "down";
		node.forget({ all: node.isOff });
	}

	/** The nodes do not hear each other any more; links stay up, and the client hears both. Or they do again. */
	partition(state: "on" | "off"): void {
		for (const { port } of this.nodes)
			execFileSync("ip", ["-n", this.rig.hub, "link", "set", port, "type", "bridge_slave", "isolated", state]);
		this.forget();
	}

	owners(address: string): readonly string[] {
		return this.nodes.filter((node) => !node.isOff && node.holds(address)).map(({ name }) => name);
	}

	/** Waits until exactly that node owns the address; returns how long that took. */
	async untilOwner(address: string, name: string, withinMs: number): Promise<number> {
		const startMs = performance.now();
		for (;;) {
			const owners = this.owners(address);
			if (owners.length === 1 && owners[0] === name) return performance.now() - startMs;
			if (performance.now() - startMs > withinMs)
				throw new Error(
					`${address} is held by [${owners.join(" ")}] and not by ${name} after ${withinMs} ms\n${this.history(address)}\n${this.logs()}`,
				);
			await sleep(5);
		}
	}

	async until(what: string, isSo: () => boolean, withinMs: number): Promise<void> {
		const endMs = performance.now() + withinMs;
		while (!isSo()) {
			if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms for: ${what}\n${this.logs()}`);
			await sleep(10);
		}
	}

	async untilBothOwn(address: string, withinMs: number): Promise<void> {
		await this.until("both own", () => this.owners(address).length === 2, withinMs);
	}

	/** Exactly that node owns the address all the time. */
	async staysOwner(address: string, name: string, forMs: number): Promise<void> {
		const endMs = performance.now() + forMs;
		const before = this.nodes.map((node) => node.spans(address).length).join();
		while (performance.now() < endMs) {
			const owners = this.owners(address);
			if (owners.join() !== name)
				throw new Error(
					`${address} is held by [${owners.join(" ")}] instead of ${name}\n${this.history(address)}\n${this.logs()}`,
				);
			await sleep(20);
		}
		const now = this.nodes.map((node) => node.spans(address).length).join();
		if (now !== before) throw new Error(`${address} moved meanwhile\n${this.history(address)}`);
	}

	/** The longest time that two nodes held the address at once, since the start or since `forget`. */
	longestOverlapMs(address: string): number {
		let longest = 0;
		for (const [index, one] of this.nodes.entries())
			for (const other of this.nodes.slice(index + 1))
				for (const span of one.spans(address))
					for (const { fromMs, toMs } of other.spans(address))
						longest = Math.max(longest, Math.min(toMs, span.toMs, Date.now()) - Math.max(fromMs, span.fromMs));
		return longest;
	}

	/** What was before does not count for overlaps any more. */
	forget(): void {
		for (const node of this.nodes) node.forget();
	}

	/** Which node the client's packets to the address reach, as it learned from ARP and neighbour advertisements alone. */
	ownerSeenByClient(address: string): string | undefined {
		const seen = this.client.exec("ip", "neigh", "show", "to", address, "dev", "eth0").match(/lladdr (\S+)/)?.[1];
		return this.nodes.find((node) => !node.isOff && node.macs().includes(seen ?? ""))?.name;
	}

	/** Makes the client ask the LAN, as any program does that sends. */
	clientSends(address: string): void {
		this.client.exec("bash", "-c", `echo x > /dev/udp/${address}/9`);
	}

	async untilClientSees(address: string, name: string, withinMs = slackMs): Promise<void> {
		const endMs = performance.now() + withinMs;
		while (this.ownerSeenByClient(address) !== name) {
			if (performance.now() > endMs)
				throw new Error(`the client sees ${this.ownerSeenByClient(address)} at ${address}, not ${name}`);
			await sleep(20);
		}
	}

	history(address: string): string {
		const spans = this.nodes.flatMap((node) => node.spans(address).map((span) => ({ node: node.name, ...span })));
		const first = Math.min(...spans.map(({ fromMs }) => fromMs));
		const at = (ms: number) => (ms === Number.POSITIVE_INFINITY ? "now" : `${(ms - first).toFixed(1)}`);
		return spans.map(({ node, fromMs, toMs }) => `${node}: ${at(fromMs)} to ${at(toMs)} ms`).join("\n");
	}

	logs(): string {
		return this.nodes.map((node) => `--- ${node.name} (${node.program}):\n${node.log.slice(-4000)}`).join("\n");
	}

	close(): void {
		for (const child of this.#processes) child.kill("SIGKILL");
		this.rig.close();
	}
}

export class VipNode {
	readonly host: Host;
	readonly name: string;
	/** Last part of its addresses. */
	readonly number: number;
	readonly port: string;
	program: Program | undefined;
	isOff = false;
	log = "";
	readonly directory: string;
	#child: ChildProcess | undefined;
	readonly #lan: VipLan;
	readonly #spans = new Map<string, Span[]>();

	constructor(lan: VipLan, host: Host, name: string, number: number, port: string) {
		this.#lan = lan;
		this.host = host;
		this.name = name;
		this.number = number;
		this.port = port;
		this.directory = join(lan.rig.directory, name);
		mkdirSync(this.directory);
		this.#watch();
	}

	get confFile(): string {
		return join(this.directory, "keepalived.conf");
	}

	get stateDirectory(): string {
		return join(this.directory, "state");
	}

	get pid(): number {
		return this.#child?.pid ?? 0;
	}

	get isRunning(): boolean {
		return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
	}

	writeConf(conf: string): void {
		writeFileSync(this.confFile, conf);
	}

	start(program: Program, conf: string): void {
		this.program = program;
		this.writeConf(conf);
		const { confFile, directory, stateDirectory } = this;
		const command =
			program === "keepmesh"
				? [
						join(root, ".keepmesh/node"),
						"--no-warnings",
						"--max-semi-space-size=8",
						join(root, "bin/keepmesh.ts"),
						...["vip", "run", "--keepalived-conf", confFile, "--node", this.name, "--state", stateDirectory],
					]
				: [
						"keepalived",
						...["-n", "-l", "-D", "-P", "-f", confFile],
						...["-p", join(directory, "pid"), "-r", join(directory, "vrrp-pid"), "-i", this.name],
					];
		const child = this.#lan.spawn(this.host.netns, command, {
			NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, ".keepmesh/compile-cache"),
		});
		for (const stream of [child.stdout, child.stderr])
			stream?.on("data", (chunk) => {
				this.log = (this.log + chunk).slice(-200_000);
			});
		this.#child = child;
	}

	/** To all its processes. */
	signal(name: NodeJS.Signals): void {
		const child = this.#vrrpChild();
		const pids = name === "SIGKILL" || name === "SIGSTOP" || name === "SIGCONT" ? [child, this.pid] : [this.pid];
		for (const pid of pids) if (pid && this.isRunning) process.kill(pid, name);
	}

	async stop(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
		const child = this.#child;
		if (!child || !this.isRunning) return;
		const ended = new Promise((resolve) => child.once("exit", resolve));
		this.signal(name);
		await Promise.race([ended, sleep(5000, undefined, { ref: false })]);
		if (this.isRunning) throw new Error(`${this.name} does not end\n${this.log.slice(-4000)}`);
	}

	/** The machine is gone: its processes end without a word, and its cable is pulled at the same moment. */
	crash(): void {
		this.signal("SIGKILL");
		this.#lan.cable(this, "down");
	}

	/** An interface that leads nowhere. */
	addInterface(name: string): void {
		if (this.host.exec("ip", "-o", "link", "show").includes(` ${name}:`)) return;
		// A cable to itself: not every kernel has dummies.
		this.host.exec("ip", "link", "add", name, "type", "veth", "peer", "name", `${name}-end`);
		this.host.exec("ip", "link", "set", `${name}-end`, "up");
		this.host.exec("ip", "link", "set", name, "up");
	}

	/** By the kernel's events. */
	holds(address: string): boolean {
		return this.spans(address).at(-1)?.toMs === Number.POSITIVE_INFINITY;
	}

	/** By asking the kernel. */
	hasAddress(address: string): boolean {
		return this.host.exec("ip", "-o", "address", "show").includes(` ${address}/`);
	}

	/** When it held the address, as wall time. */
	spans(address: string): readonly Span[] {
		return this.#spans.get(address) ?? [];
	}

	/** A node that is off the LAN owns nothing for others; once it is back, what it really has counts from then on. */
	forget({ all = false }: { readonly all?: boolean } = {}): void {
		const now = this.host.exec("ip", "-o", "address", "show");
		for (const address of this.#spans.keys()) {
			const isHeld = !all && now.includes(` ${address}/`);
			this.#spans.set(address, isHeld ? [{ fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY }] : []);
		}
	}

	macs(): readonly string[] {
		const links = this.host.exec("ip", "-o", "link", "show");
		return [...links.matchAll(/link\/ether (\S+)/g)].map((match) => match[1] ?? "");
	}

	async untilLog(pattern: RegExp, withinMs = slackMs): Promise<void> {
		const endMs = performance.now() + withinMs;
		while (!pattern.test(this.log)) {
			if (performance.now() > endMs) throw new Error(`${this.name} did not say ${pattern}\n${this.log.slice(-4000)}`);
			await sleep(10);
		}
	}

	/** `keepmesh vip` beside a running one. */
	command(...words: readonly string[]): string {
		const program = [join(root, ".keepmesh/node"), "--no-warnings", join(root, "bin/keepmesh.ts"), "vip"];
		return this.host.exec(...program, ...words, "--state", this.stateDirectory);
	}

	/** Of a running Keepmesh. */
	async status(): Promise<VipStatus> {
		const socketPath = join(this.stateDirectory, "vip.sock");
		return await new Promise((resolve, reject) => {
			const asked = request({ socketPath, path: "/status" }, (response) => {
				let text = "";
				response.on("data", (chunk) => {
					text += chunk;
				});
				response.on("end", () => resolve(JSON.parse(text) as VipStatus));
			});
			asked.on("error", reject);
			asked.end();
		});
	}

	async instance(name = "web"): Promise<InstanceStatus> {
		const found = (await this.status()).instances.find((one) => one.name === name);
		if (!found) throw new Error(`${this.name} has no ${name}`);
		return found;
	}

	/** keepalived's VRRP is a process of its own. */
	#vrrpChild(): number | undefined {
		if (this.program !== "keepalived") return undefined;
		try {
			return Number(readFileSync(join(this.directory, "vrrp-pid"), "utf8"));
		} catch {
			return undefined;
		}
	}

	#watch(): void {
		const monitor = this.#lan.spawn(this.host.netns, ["ip", "-ts", "-o", "monitor", "address"]);
		if (!monitor.stdout) return;
		createInterface({ input: monitor.stdout }).on("line", (line) => {
			const [, time, isDeleted, address] = line.match(/^\[([^\]]+)\] (Deleted )?.*? inet6? ([^/ ]+)/) ?? [];
			if (!time || !address) return;
			const atMs = Date.parse(time);
			const spans = this.#spans.get(address) ?? [];
			this.#spans.set(address, spans);
			if (this.isOff) return;
			const last = spans.at(-1);
			const isHeld = last?.toMs === Number.POSITIVE_INFINITY;
			if (isDeleted && last && isHeld) last.toMs = atMs;
			if (!isDeleted && !isHeld) spans.push({ fromMs: atMs, toMs: Number.POSITIVE_INFINITY });
		});
	}
}
