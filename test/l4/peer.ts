// A process inside a network namespace that does what it is told (l4-peer.ts); it ends with the process that started it.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { PeerCommand } from "./peer-command.ts";
import type { Met, Probe } from "./probe.ts";

export class Peer {
	readonly #child: ChildProcess;
	readonly #waiting = new Map<number, (result: unknown) => void>();
	#isClosed = false;
	#sequence = 0;

	constructor(netns: string) {
		const program = [process.execPath, "--no-warnings", join(import.meta.dirname, "l4-peer.ts")];
		this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "nsenter", `--net=${netns}`, "--", ...program], {
			stdio: ["pipe", "pipe", "inherit"],
		});
		if (this.#child.stdout) createInterface({ input: this.#child.stdout }).on("line", (line) => this.#take(line));
		this.#child.once("exit", () => {
			for (const settle of this.#waiting.values()) settle({ failed: "the process ended" });
			if (!this.#isClosed) console.error(`a process in ${netns} ended by itself`);
		});
	}

	async serve(addresses: readonly string[], ports: readonly number[]): Promise<void> {
		await this.#run({ op: "serve", addresses, ports });
	}

	async probe(probes: readonly Probe[]): Promise<readonly Met[]> {
		return (await this.#run({ op: "probe", probes })) as readonly Met[];
	}

	close(): void {
		this.#isClosed = true;
		this.#child.kill("SIGKILL");
	}

	#run(command: PeerCommand): Promise<unknown> {
		return new Promise((resolve, reject) => {
			const id = this.#sequence++;
			this.#waiting.set(id, (result) => {
				const failed = (result as { failed?: string }).failed;
				if (failed === undefined) resolve(result);
				else reject(new Error(`${command.op}: ${failed}`));
			});
			this.#child.stdin?.write(`${JSON.stringify({ id, command })}\n`);
		});
	}

	#take(line: string): void {
		const { id, result } = JSON.parse(line) as { id: number; result: unknown };
		this.#waiting.get(id)?.(result);
		this.#waiting.delete(id);
	}
}
