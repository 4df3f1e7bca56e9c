// The process of virtual servers beside that of virtual IPs, as keepalived has its checker: this one must stay small and on time, the
// other may work. It is started when the file has virtual_server blocks, started again when it ends, and outlives a crash of this one.

import { connect } from "node:net";
import { join } from "node:path";
import { KeptProcess } from "../../node/kept-process.ts";
import { realClock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { virtualServerSocketName } from "../l4/virtual-server-socket.ts";

export interface Layer4ChildOptions {
	readonly file: string;
	readonly backend: Layer4Choice;
	/** Of the vip process: the other's log, record and socket are there as well. */
	readonly state: string;
}

export type Layer4Choice = "auto" | "nftables" | "ipvs";

const retryMs = 500;

export class Layer4Child {
	readonly #options: Layer4ChildOptions;
	readonly #log: Log;
	#process: KeptProcess | undefined;

	constructor(options: Layer4ChildOptions, log: Log) {
		this.#options = options;
		this.#log = log;
	}

	/** The file was read: it has so many blocks now. */
	async follow(virtualServers: number): Promise<void> {
		if (virtualServers === 0) return this.stop();
		if (!this.#process) {
			this.#process = this.#kept();
			await this.#process.start();
		}
		// One that is just starting reads the file by itself; one that was found again has not seen it change.
		this.#askToReload();
	}

	/** Its rules go with it. */
	async stop(): Promise<void> {
		const kept = this.#process;
		this.#process = undefined;
		await kept?.stop();
	}

	#kept(): KeptProcess {
		const { file, backend, state } = this.#options;
		const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");
		return new KeptProcess(
			{
				name: "l4",
				file: process.execPath,
				args: [
					"--no-warnings",
					program,
					...["l4", "run", "--keepalived-conf", file, "--backend", backend, "--state", state, "--child-of-vip"],
				],
				logFile: join(state, "l4.log"),
				record: join(state, "l4-process.json"),
			},
			{ clock: realClock, log: this.#log },
		);
	}

	/** By its socket and not by a signal, which ends a process that does not listen to signals yet. */
	#askToReload(triesLeft = 5): void {
		const asked = this.#process;
		const socket = connect(join(this.#options.state, virtualServerSocketName));
		socket.on("error", () => {
			// It may have read the file, and not listen yet.
			if (triesLeft > 0)
				realClock.after(retryMs, () => {
					if (asked === this.#process) this.#askToReload(triesLeft - 1);
				});
		});
		socket.once("connect", () => socket.end("POST /reload HTTP/1.0\r\n\r\n"));
		socket.resume();
	}
}
