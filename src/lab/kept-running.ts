// A process that must run as long as the lab does: started in a namespace, started again when it ends, output to a bounded log.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { boundLog } from "../node/surviving-process.ts";

export interface KeptRunningOptions {
	readonly name: string;
	readonly command: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly logFile: string;
	readonly onChange: (what: string) => void;
}

const maxLogBytes = 4 * 1024 * 1024;
const firstPauseMs = 100;
const maxPauseMs = 5000;
const steadyMs = 10_000;

export class KeptRunning {
	readonly name: string;
	readonly logFile: string;
	readonly #options: KeptRunningOptions;
	#child: ChildProcess | undefined;
	#pauseMs = firstPauseMs;
	#timer: NodeJS.Timeout | undefined;
	#closed = false;
	#held = false;
	#command: readonly string[];
	restarts = 0;

	constructor(options: KeptRunningOptions) {
		this.#options = options;
		this.#command = options.command;
		this.name = options.name;
		this.logFile = options.logFile;
	}

	get pid(): number | undefined {
		return this.#child?.pid;
	}

	start(): void {
		const [file = "", ...args] = this.#command;
		boundLog(this.logFile, maxLogBytes);
		const log = openSync(this.logFile, "a", 0o644);
		const startedMs = performance.now();
		const child = spawn(file, args, { detached: true, stdio: ["ignore", log, log], env: this.#options.env, cwd: "/" });
		closeSync(log);
		this.#child = child;
		let ended = false;
		const end = (because: string): void => {
			if (ended) return;
			ended = true;
			this.#child = undefined;
			if (this.#closed || this.#held) return;
			if (performance.now() - startedMs > steadyMs) this.#pauseMs = firstPauseMs;
			this.restarts += 1;
			this.#options.onChange(`${this.name} ${because}; starts again in ${this.#pauseMs} ms`);
			this.#timer = setTimeout(() => this.start(), this.#pauseMs);
			this.#pauseMs = Math.min(maxPauseMs, this.#pauseMs * 2);
		};
		child.once("error", (error) => end(error.message));
		child.once("exit", (code, signal) => end(signal ? `was ended by ${signal}` : `exited with code ${code}`));
	}

	/** False when it does not run. */
	signal(signal: NodeJS.Signals): boolean {
		return this.#child?.kill(signal) ?? false;
	}

	/** SIGTERM, and from then on started with other words in its command. */
	replace(words: Readonly<Record<string, string>>): void {
		this.#command = this.#command.map((word) => words[word] ?? word);
		this.#child?.kill("SIGTERM");
	}

	/** Kills it, and does not start it again before `release`. */
	hold(): void {
		this.#held = true;
		clearTimeout(this.#timer);
		this.#child?.kill("SIGKILL");
	}

	release(): void {
		if (!this.#held || this.#closed) return;
		this.#held = false;
		// It may not have ended yet: then its end starts it again.
		if (!this.#child) this.start();
	}

	trimLog(): void {
		boundLog(this.logFile, maxLogBytes);
	}

	stop(): void {
		this.#closed = true;
		clearTimeout(this.#timer);
		this.#child?.kill("SIGTERM");
	}
}
