// A LAN of namespaces for virtual IPs: routers that run Keepmesh's or somebody else's daemon, and a client. Who holds which
// address since when is read from the kernel's own events, so that gaps and double owners have a length.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createRig, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { conf } from "./vip-conf.ts";
import { slackMs, VipNode } from "./vip-node.ts";

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

/** A first start is among others that start. */
export const startMs = 20_000;
/** Until an ordinary process of a busy machine has done what an advert told it. Real double owners stay for many intervals. */
export const toleratedOverlapMs = 150;

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
