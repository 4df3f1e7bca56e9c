// Tells scripts and FIFOs, without ever waiting for them: a command is started and left alone, a line that a FIFO has no room
// for is dropped and said. Commands start after the work of the moment, so that no advert waits for a fork.

import type { ChildProcess } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import type { Log } from "../../runtime/log.ts";
import type { NotifyUser, VipGlobal } from "../../vip/vip-config.ts";
import type { Notification } from "./notification.ts";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class Notifier {
	readonly #log: Log;
	#global: VipGlobal;
	readonly #fifos = new Map<string, number>();
	readonly #readers = new Map<string, ChildProcess>();
	/** Commands run one after the other is started, never beside a change of the machine's network. */
	#starting: Promise<void> = Promise.resolve();

	constructor(global: VipGlobal, log: Log) {
		this.#log = log;
		this.#global = global;
	}

	/** Makes FIFOs that are not there, and starts their readers. */
	async open(): Promise<void> {
		for (const path of this.#global.notifyFifos) if (!this.#fifos.has(path)) await this.#openFifo(path);
		for (const { fifo, argv, owner } of this.#global.fifoScripts ?? [])
			if (!this.#readers.has(fifo)) {
				const reader = await this.#start([...argv, fifo], owner);
				if (reader) this.#readers.set(fifo, reader);
			}
	}

	async reconfigure(global: VipGlobal): Promise<void> {
		this.#global = global;
		for (const [path, file] of this.#fifos)
			if (!global.notifyFifos.includes(path)) {
				closeSync(file);
				this.#fifos.delete(path);
				this.#readers.get(path)?.kill("SIGTERM");
				this.#readers.delete(path);
			}
		await this.open();
	}

	tell({ commands, line }: Notification): void {
		for (const [path, file] of this.#fifos) this.#write(path, file, line);
		for (const { argv, owner } of commands)
			this.#starting = this.#starting.then(async () => void (await this.#start(argv, owner)));
	}

	/** Once every command that was to start has started. FIFOs stay until then. */
	async close(): Promise<void> {
		await this.#starting;
		for (const file of this.#fifos.values()) closeSync(file);
		this.#fifos.clear();
		for (const reader of this.#readers.values()) reader.kill("SIGTERM");
	}

	#write(path: string, file: number, line: string): void {
		try {
			writeSync(file, `${line}\n`);
		} catch (error) {
			this.#log.warn({ fifo: path, line, because: (error as NodeJS.ErrnoException).code }, "a FIFO took no line");
		}
	}

	async #openFifo(path: string): Promise<void> {
		try {
			const { execFileSync } = await import("node:child_process");
			try {
				execFileSync("mkfifo", ["-m", "0600", path], { stdio: "ignore" });
			} catch {
				// It is there, or what is wrong comes out below.
			}
			// With its own reading end a FIFO can be opened, and keeps lines, when nobody reads yet.
			const file = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
			if (!fstatSync(file).isFIFO()) {
				closeSync(file);
				throw new Error("it is no FIFO");
			}
			this.#fifos.set(path, file);
		} catch (error) {
			this.#log.error({ fifo: path, because: error instanceof Error ? error.message : String(error) }, "no FIFO");
		}
	}

	async #start(argv: readonly string[], owner: NotifyUser | undefined): Promise<ChildProcess | undefined> {
		const [program = "", ...args] = argv;
		const refuse = (because: string): undefined => {
			this.#log.error({ command: program, because }, "a notify command was not started");
			return undefined;
		};
		const { scripts } = this.#global;
		const user = owner?.user ?? scripts.user;
		const { userIds } = await import("../../health/probes/user-ids.ts");
		const ids = userIds(user, owner ? owner.group : scripts.group);
		if (!ids) return refuse(`there is no user ${user}`);
		if (scripts.security && ids.uid === 0) {
			const { whyUnsafe } = await import("../../health/probes/script-security.ts");
			const unsafe = whyUnsafe(program);
			if (unsafe) return refuse(`not run as root: ${unsafe}`);
		}
		const { spawn } = await import("node:child_process");
		const asOther = process.getuid?.() === 0 ? ids : {};
		const child = spawn(program, args, {
			stdio: "ignore",
			cwd: "/",
			env: { PATH: defaultPath },
			detached: true,
			...asOther,
		});
		child.once("error", (error) => refuse(error.message));
		child.unref();
		return child;
	}
}
