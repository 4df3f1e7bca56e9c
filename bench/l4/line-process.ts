// A program of this folder in a namespace, told by lines, each answered by one line. It ends with the process that started it.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

export class LineProcess {
	readonly #child: ChildProcess;
	readonly #lines: AsyncIterator<string>;

	constructor(netns: string, program: string, args: readonly string[] = []) {
		const command = [process.execPath, "--no-warnings", join(import.meta.dirname, program), ...args];
		this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "nsenter", `--net=${netns}`, "--", ...command], {
			stdio: ["pipe", "pipe", "inherit"],
		});
		if (!this.#child.stdout) throw new Error("no output");
		this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
	}

	async tell(line: string): Promise<string> {
		this.#child.stdin?.write(`${line}\n`);
		return this.next();
	}

	async next(): Promise<string> {
		const { value, done } = await this.#lines.next();
		if (done) throw new Error("the program ended");
		return value;
	}

	close(): void {
		this.#child.kill("SIGKILL");
	}
}
