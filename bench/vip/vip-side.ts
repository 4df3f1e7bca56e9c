// One node of a pair: keepalived or Keepmesh in its namespace, started, stopped, killed with all its processes at once.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openLinuxHostNetwork } from "../../src/kernel/linux/linux-host-network.ts";
import { childrenOf } from "../../src/lab/crash-node.ts";
import type { Host } from "../../src/node/namespace-rig.testing.ts";
import { virtualAddress } from "./vip-confs.ts";

const root = join(import.meta.dirname, "../..");

export type Program = "keepalived" | "keepmesh";

export class VipSide {
	readonly node: "a" | "b";
	readonly host: Host;
	readonly directory: string;
	program: Program = "keepmesh";
	readonly #network: ReturnType<typeof openLinuxHostNetwork>;
	readonly #ip: ChildProcess;
	#child: ChildProcess | undefined;
	#start: () => void = () => {};

	constructor(node: "a" | "b", host: Host, directory: string) {
		this.node = node;
		this.host = host;
		this.directory = join(directory, node);
		mkdirSync(this.directory, { recursive: true });
		this.#network = openLinuxHostNetwork({ netns: host.netns });
		// Waits for lines, so that a fault costs no start of a program.
		this.#ip = spawn("ip", ["-force", "-n", host.name, "-batch", "-"], { stdio: ["pipe", "ignore", "ignore"] });
	}

	/** Of the running program. */
	get pid(): number | undefined {
		return this.#child?.pid;
	}

	get fault(): string {
		return join(this.directory, "fault");
	}

	get log(): string {
		return join(this.directory, "log");
	}

	holds(address = virtualAddress): boolean {
		return this.#network.addresses("eth0").some((one) => one.address === address);
	}

	/** How many addresses of a range's beginning are there. */
	heldOf(prefix: string): number {
		return this.#network.addresses("eth0").filter((one) => one.address.startsWith(prefix)).length;
	}

	/** `ip` words, done at once. */
	ip(words: string): void {
		this.#ip.stdin?.write(`${words}\n`);
	}

	/** Keepmesh runs `resources` when they are given, else the keepalived.conf. */
	start(program: Program, text: string, form: "conf" | "resources" = "conf"): void {
		this.program = program;
		const file = join(this.directory, form === "conf" ? "keepalived.conf" : "resources/vip.yaml");
		mkdirSync(join(this.directory, "resources"), { recursive: true });
		writeFileSync(file, text);
		this.#start = () => {
			const log = openSync(this.log, "a");
			// A killed keepalived leaves them, and the next one believes them where the numbers are in use.
			for (const pid of ["pid", "vrrp.pid"]) rmSync(join(this.directory, pid), { force: true });
			const [name = "", ...args] =
				program === "keepalived" ? keepalivedCommand(this, file) : keepmeshCommand(this, file);
			this.#child = spawn("nsenter", [`--net=${this.host.netns}`, "--", name, ...args], {
				stdio: ["ignore", log, log],
				env: { ...process.env, NODE_COMPILE_CACHE: join(root, ".keepmesh/compile-cache") },
			});
		};
		this.#start();
	}

	again(): void {
		this.#start();
	}

	async stop(): Promise<void> {
		const child = this.#child;
		if (!child || child.exitCode !== null || child.signalCode !== null) return;
		child.kill("SIGTERM");
		for (let waited = 0; waited < 3000 && child.exitCode === null && child.signalCode === null; waited += 20)
			await sleep(20);
		this.crash();
	}

	term(): void {
		this.#child?.kill("SIGTERM");
	}

	/** The process and all that it started. */
	crash(): void {
		const pid = this.#child?.pid;
		if (pid === undefined || this.#child?.exitCode !== null || this.#child.signalCode !== null) return;
		for (const one of [...childrenOf(pid), pid]) {
			try {
				process.kill(one, "SIGKILL");
			} catch {
				// Gone already.
			}
		}
	}

	close(): void {
		this.crash();
		this.#ip.stdin?.end();
		this.#network.close();
	}
}

function keepalivedCommand({ directory }: VipSide, file: string): readonly string[] {
	const own = (name: string): string => join(directory, name);
	return ["keepalived", "-n", "-l", "-D", "-P", "-f", file, "-p", own("pid"), "-r", own("vrrp.pid")];
}

function keepmeshCommand({ directory, node }: VipSide, file: string): readonly string[] {
	const source = file.endsWith(".conf") ? ["--keepalived-conf", file] : ["--resources", join(directory, "resources")];
	return [
		join(root, ".keepmesh/node"),
		"--no-warnings",
		"--max-semi-space-size=8",
		join(root, "bin/keepmesh.ts"),
		...["vip", "run", ...source, "--node", node, "--state", join(directory, "state")],
	];
}
