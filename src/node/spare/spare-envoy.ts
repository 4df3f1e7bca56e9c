// The spare Envoy as a process: started, started again when it ends, adopted from an earlier agent, killed when it hangs. In: its
// paths and start configuration. Out: word of when it answers, and when it no longer does.

import { createHash } from "node:crypto";
import { readdirSync, realpathSync, rmSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { writeFileAtomic } from "../atomic-file.ts";
import { blockedDirectories } from "../blocked-directories.ts";
import { lookAtWorkers } from "../is-starved.ts";
import { KeptProcess } from "../kept-process.ts";
import { envoyCommand, programInDescriptor3 } from "../plan/envoy-command.ts";
import type { SparePaths } from "../plan/spare-paths.ts";
import { SpareWatch } from "./spare-watch.ts";

export interface SpareEnvoyDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** Path of the binary. */
	readonly envoy: string;
	readonly paths: SparePaths;
	readonly bootstrap: object;
	/** It answers, or answers again. */
	readonly onHeard: () => void;
	/** It has ended, or does not answer. */
	readonly onLost: (because: string) => void;
	/** Sees to it that its process outlives the agent; asked when it begins, and then every two seconds. */
	readonly hold?: (pid: number) => void;
}

/** One of two threads of a sidecar: it serves few pods at a time. */
const workers = 1;
const holdAgainMs = 2_000;

export class SpareEnvoy {
	readonly #deps: SpareEnvoyDeps;
	#process: KeptProcess | undefined;
	#watch: SpareWatch | undefined;
	#starting: Promise<void> | undefined;
	#starts = 0;
	#closed = false;
	#cancelHold: Cancel = () => {};

	constructor(deps: SpareEnvoyDeps) {
		this.#deps = deps;
	}

	get pid(): number | undefined {
		return this.#process?.pid;
	}

	get isHeard(): boolean {
		return this.#watch?.isHeard === true;
	}

	/** How often it was started again. */
	get restarts(): number {
		return Math.max(0, this.#starts - 1);
	}

	/** Makes its directories; called before anything is put there. */
	async prepare(): Promise<void> {
		const { paths } = this.#deps;
		await mkdir(paths.sockets, { recursive: true });
		await chown(paths.directory, 0, proxyUid);
		await chmod(paths.directory, 0o711);
		await chown(paths.sockets, proxyUid, proxyUid);
		await chmod(paths.sockets, 0o700);
	}

	/** Idempotent. */
	start(): Promise<void> {
		this.#starting ??= this.#start();
		return this.#starting;
	}

	/** The process goes on. */
	release(): void {
		this.#closed = true;
		this.#cancelHold();
		this.#watch?.close();
		this.#process?.release();
	}

	async stop(): Promise<void> {
		this.#closed = true;
		this.#cancelHold();
		this.#watch?.close();
		await this.#starting;
		await this.#process?.stop();
	}

	async #start(): Promise<void> {
		const { clock, log, paths, bootstrap, envoy } = this.#deps;
		const text = `${JSON.stringify(bootstrap, undefined, 1)}\n`;
		// Its name is on the command line: a spare that was started with another configuration is replaced.
		const name = `bootstrap-${createHash("sha256").update(text).digest("hex").slice(0, 12)}.json`;
		const file = join(paths.directory, name);
		await writeFileAtomic(file, text, 0o640);
		await chown(file, 0, proxyUid);
		for (const other of readdirSync(paths.directory))
			if (/^bootstrap-.*\.json$/.test(other) && other !== name) rmSync(join(paths.directory, other), { force: true });
		const isReachable = blockedDirectories(realpathSync(envoy)).length === 0;
		const command = envoyCommand({
			envoy: isReachable ? envoy : programInDescriptor3,
			netns: "/proc/self/ns/net",
			bootstrap: file,
			concurrency: workers,
			transparent: true,
			entersNamespaces: true,
		});
		if (this.#closed) return;
		this.#process = new KeptProcess(
			{
				name: "spare",
				...command,
				logFile: paths.log,
				record: paths.record,
				...(isReachable ? {} : { descriptor3: envoy }),
				onRunning: (how) => this.#onRunning(how),
				onEnded: (because) => this.#onEnded(because),
			},
			{ clock, log },
		);
		await this.#process.start();
	}

	#onRunning(how: "started" | "adopted"): void {
		if (this.#closed) return;
		this.#hold();
		if (how === "started") this.#deps.onLost("the spare is starting");
		this.#starts++;
		this.#watch?.close();
		this.#watch = new SpareWatch(
			{
				socketPath: this.#deps.paths.watchSocket,
				look: () => (this.pid === undefined ? undefined : lookAtWorkers(this.pid, this.#deps.clock.monotonicMs())),
				onHeard: () => this.#deps.onHeard(),
				onSilent: () => this.#deps.onLost("the spare does not answer"),
				onHung: () => {
					this.#deps.log.error({ pid: this.pid }, "the spare hangs and is killed");
					this.#process?.kill();
				},
			},
			this.#deps.clock,
		);
	}

	#hold(): void {
		const { clock, hold } = this.#deps;
		this.#cancelHold();
		if (!hold || this.pid === undefined) return;
		hold(this.pid);
		this.#cancelHold = clock.after(holdAgainMs, () => this.#hold());
	}

	#onEnded(because: string): void {
		this.#cancelHold();
		this.#watch?.close();
		this.#watch = undefined;
		if (!this.#closed) this.#deps.onLost(`the spare ${because}`);
	}
}
