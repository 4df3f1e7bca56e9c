// One helper process of the machine that outlives the agent, as Envoys do: started, started again when it ends, adopted when
// an earlier agent started it with the same arguments, replaced when with others.

import { readFile, rm } from "node:fs/promises";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { defaultProxyMachineConfig, restartDelayMs } from "./plan/proxy-machine.ts";
import { isRunning, type ProcessIdentity, signalProcess } from "./process-table.ts";
import { adoptSurviving, boundLog, launchSurviving, type SurvivingProcess } from "./surviving-process.ts";

export interface KeptProcessOptions {
	readonly name: string;
	readonly file: string;
	readonly args: readonly string[];
	readonly logFile: string;
	/** Where its process is noted. */
	readonly record: string;
	/** A file that it gets open as descriptor 3. */
	readonly descriptor3?: string;
	readonly onRunning?: (how: "started" | "adopted") => void;
	/** It has ended; it will be started again. */
	readonly onEnded?: (because: string) => void;
}

export class KeptProcess {
	readonly #options: KeptProcessOptions;
	readonly #clock: Clock;
	readonly #log: Log;
	#process: SurvivingProcess | undefined;
	#failures = 0;
	#closed = false;
	#cancel: Cancel = () => {};

	constructor(options: KeptProcessOptions, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
		this.#options = options;
		this.#clock = clock;
		this.#log = log;
	}

	get pid(): number | undefined {
		return this.#process?.identity.pid;
	}

	async start(): Promise<void> {
		const noted = await this.#readRecord();
		if (noted && isRunning(noted.process)) {
			if (JSON.stringify(noted.args) === JSON.stringify(this.#options.args)) {
				this.#process = adoptSurviving(noted.process, (because) => this.#onExit(because), this.#clock);
				this.#log.info({ process: this.#options.name, pid: noted.process.pid }, "process adopted");
				this.#options.onRunning?.("adopted");
				return;
			}
			await this.#end(noted.process);
		}
		await this.#launch();
	}

	/** It ends, and is started again. */
	kill(): void {
		this.#process?.signal("SIGKILL");
	}

	/** The process goes on. */
	release(): void {
		this.#closed = true;
		this.#cancel();
		this.#process?.release();
	}

	async stop(): Promise<void> {
		const running = this.#process?.identity;
		this.release();
		if (running) await this.#end(running);
		await rm(this.#options.record, { force: true });
	}

	async #launch(): Promise<void> {
		boundLog(this.#options.logFile, 1024 * 1024);
		const launched = await launchSurviving({
			file: this.#options.file,
			args: this.#options.args,
			log: this.#options.logFile,
			...(this.#options.descriptor3 === undefined ? {} : { descriptor3: this.#options.descriptor3 }),
			onExit: (because) => this.#onExit(because),
		});
		if (!launched.ok) {
			this.#onExit(launched.because);
			return;
		}
		this.#process = launched.process;
		const record = { process: launched.process.identity, args: this.#options.args };
		await writeFileAtomic(this.#options.record, `${JSON.stringify(record)}\n`);
		// It may have ended meanwhile; that was said already.
		if (this.#process !== launched.process) return;
		this.#options.onRunning?.("started");
		this.#cancel = this.#clock.after(defaultProxyMachineConfig.stableMs, () => {
			this.#failures = 0;
		});
	}

	#onExit(because: string): void {
		this.#process = undefined;
		if (this.#closed) return;
		this.#options.onEnded?.(because);
		this.#failures++;
		const afterMs = restartDelayMs(defaultProxyMachineConfig, this.#failures);
		this.#log.warn({ process: this.#options.name, because, afterMs }, "process ended and will be started again");
		this.#cancel();
		this.#cancel = this.#clock.after(afterMs, () => void this.#launch());
	}

	async #end(target: ProcessIdentity): Promise<void> {
		signalProcess(target, "SIGTERM");
		for (let waitedMs = 0; isRunning(target); waitedMs += 20) {
			if (waitedMs >= 2000) signalProcess(target, "SIGKILL");
			await new Promise<void>((resolve) => this.#clock.after(20, resolve));
		}
	}

	async #readRecord(): Promise<{ readonly process: ProcessIdentity; readonly args: readonly string[] } | undefined> {
		try {
			return JSON.parse(await readFile(this.#options.record, "utf8")) as {
				process: ProcessIdentity;
				args: readonly string[];
			};
		} catch {
			return undefined;
		}
	}
}
