// `keepmesh vip run` as a process in a network namespace, for tests: started with a file, watched by its log, ended by signals.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../node/namespace-rig.testing.ts";

export interface LogLine {
	readonly msg: string;
	readonly time: string;
	readonly [fact: string]: unknown;
}

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");

export class VipProcess {
	readonly host: Host;
	readonly conf: string;
	readonly state: string;
	readonly child: ChildProcess;
	#log = "";

	/** `directory`: of the test; what is left of the process is found by it. */
	constructor(host: Host, directory: string, conf: string, args: readonly string[] = []) {
		this.host = host;
		this.state = join(directory, host.name);
		this.conf = join(directory, `${host.name}.conf`);
		mkdirSync(this.state, { recursive: true });
		this.write(conf);
		const source = args.includes("--resources") ? [] : ["--keepalived-conf", this.conf];
		const command = [program, "vip", "run", ...source, "--node", host.name, "--state", this.state];
		this.child = spawn(
			"nsenter",
			[`--net=${host.netns}`, "--", process.execPath, "--no-warnings", ...command, ...args],
			{
				stdio: ["ignore", "ignore", "pipe"],
			},
		);
		this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			this.#log += text;
		});
	}

	get log(): readonly LogLine[] {
		return this.#log
			.split("\n")
			.filter((line) => line.startsWith("{") && line.endsWith("}"))
			.map((line) => JSON.parse(line) as LogLine);
	}

	get text(): string {
		return this.#log;
	}

	write(conf: string): void {
		writeFileSync(this.conf, conf);
	}

	/** Throws with the log when it takes too long. */
	async until(what: string, holds: () => boolean, withinMs = 5000): Promise<void> {
		const endMs = performance.now() + withinMs;
		while (!holds()) {
			if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}\n${this.#log}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	}

	untilLogged(msg: string, facts: Readonly<Record<string, unknown>> = {}): Promise<void> {
		const matches = (line: LogLine): boolean =>
			line.msg === msg && Object.entries(facts).every(([name, value]) => line[name] === value);
		return this.until(`${msg} ${JSON.stringify(facts)}`, () => this.log.some(matches));
	}

	untilRole(to: string): Promise<void> {
		return this.untilLogged("virtual router moved", { to });
	}

	has(address: string): boolean {
		return hasAddress(this.host, address);
	}

	signal(name: NodeJS.Signals): void {
		this.child.kill(name);
	}

	/** The exit code. */
	async ended(): Promise<number | null> {
		if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
		const [code] = (await once(this.child, "exit")) as [number | null];
		return code;
	}

	async stop(): Promise<void> {
		if (this.child.exitCode !== null || this.child.signalCode !== null) return;
		this.signal("SIGTERM");
		await this.ended();
	}

	residentKb(): number {
		const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
		return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
	}

	/** `keepmesh vip ...` about this process. */
	ask(...args: readonly string[]): string {
		const command = ["--no-warnings", program, "vip", ...args, "--state", this.state];
		return execFileSync(process.execPath, command, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
	}
}

export function hasAddress(host: Host, address: string): boolean {
	return host.exec("ip", "-o", "address", "show").includes(` ${address}/`);
}
