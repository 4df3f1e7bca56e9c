// The process that follows a Kubernetes cluster beside that of the virtual IPs: lists of thousands of objects are read there, and
// nothing here waits for them. It is started again when it ends, and ends when this one does.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Cancel, realClock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

const firstPauseMs = 200;
const longestPauseMs = 10_000;
const settledMs = 30_000;

export class FeedChild {
	readonly #args: readonly string[];
	readonly #log: Log;
	#child: ChildProcess | undefined;
	#pauseMs = firstPauseMs;
	#cancel: Cancel = () => {};
	#closed = false;

	/** `args`: of `keepmesh vip feed`. */
	constructor(args: readonly string[], log: Log) {
		this.#args = args;
		this.#log = log;
	}

	start(): void {
		const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");
		const startedMs = realClock.monotonicMs();
		const child = spawn(process.execPath, ["--no-warnings", program, "vip", "feed", ...this.#args], {
			// It ends when the pipe does, however this process ends. Its lines are this one's.
			stdio: ["pipe", "ignore", "inherit"],
		});
		this.#child = child;
		child.stdin?.on("error", () => undefined);
		child.once("error", (error) => this.#ended(error.message, startedMs));
		child.once("exit", (code, signal) => this.#ended(signal ?? `code ${code}`, startedMs));
	}

	/** Gives leases back and ends; bounded. */
	async stop(): Promise<void> {
		this.#closed = true;
		this.#cancel();
		const child = this.#child;
		if (!child || child.exitCode !== null || child.signalCode !== null) return;
		const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
		child.kill("SIGTERM");
		const cancel = realClock.after(2000, () => child.kill("SIGKILL"));
		await gone;
		cancel();
	}

	#ended(because: string, startedMs: number): void {
		if (this.#closed || !this.#child) return;
		this.#child = undefined;
		if (realClock.monotonicMs() - startedMs > settledMs) this.#pauseMs = firstPauseMs;
		this.#log.warn({ because, afterMs: this.#pauseMs }, "the cluster is not followed; what is held stays");
		this.#cancel = realClock.after(this.#pauseMs, () => this.start());
		this.#pauseMs = Math.min(longestPauseMs, 2 * this.#pauseMs);
	}
}
