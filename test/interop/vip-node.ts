// One router of the LAN: a namespace with a daemon in it. When it held which address is read from the kernel's own events.

import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceStatus, VipStatus } from "../../src/app/vip/vip-status.ts";
import type { Host } from "../../src/node/namespace-rig.testing.ts";
import type { VipLan } from "./vip-lan.ts";

const root = join(import.meta.dirname, "../..");

export type Program = "keepmesh" | "keepalived";

/** How much longer than its timers a machine that is busy with other tests may take. */
export const slackMs = 5000;

/** Wall time. */
export interface Span {
	readonly fromMs: number;
	toMs: number;
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
