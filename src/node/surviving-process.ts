// A process that outlives the agent: own session, before others at the processor, output to a file, found again after a restart.
// In: a command and a log file. Out: its identity at once, and word when it has ended, also for one that was adopted.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, copyFileSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { watchProcessEnd } from "../health/probes/readable-descriptor.ts";
import { type Cancel, type Clock, realClock } from "../runtime/clock.ts";
import { identifyProcess, isRunning, type ProcessIdentity, signalProcess } from "./process-table.ts";
import { raisePriority } from "./raise-priority.ts";

export interface SurvivingProcess {
	readonly identity: ProcessIdentity;
	signal(signal: NodeJS.Signals): boolean;
	/** Stops watching; the process goes on. */
	release(): void;
}

export type Launched =
	| { readonly ok: true; readonly process: SurvivingProcess }
	| { readonly ok: false; readonly because: string };

export interface LaunchOptions {
	readonly file: string;
	readonly args: readonly string[];
	readonly log: string;
	/** A file that the process gets open as descriptor 3. */
	readonly descriptor3?: string;
	readonly onExit: (because: string) => void;
}

export async function launchSurviving(options: LaunchOptions): Promise<Launched> {
	const log = openSync(options.log, "a", 0o600);
	const passed = options.descriptor3 === undefined ? undefined : openSync(options.descriptor3, "r");
	let child: ChildProcess;
	try {
		const stdio: StdioOptions = ["ignore", log, log, ...(passed === undefined ? [] : [passed])];
		child = spawn(options.file, options.args, { detached: true, stdio, cwd: "/" });
		if (child.pid !== undefined) raisePriority(child.pid);
	} finally {
		closeSync(log);
		if (passed !== undefined) closeSync(passed);
	}
	const failure = await new Promise<string | undefined>((resolve) => {
		child.once("spawn", () => resolve(undefined));
		child.once("error", (error) => resolve(error.message));
	});
	if (failure !== undefined || child.pid === undefined)
		return { ok: false, because: failure ?? "it has no process id" };
	child.unref();
	const identity = identifyProcess(child.pid) ?? { pid: child.pid, startTicks: -1 };
	let released = false;
	const ended = (code: number | null, signal: string | null): void => {
		if (!released) options.onExit(signal ? `ended by ${signal}` : `exited with code ${code}`);
	};
	if (child.exitCode !== null || child.signalCode !== null) setImmediate(ended, child.exitCode, child.signalCode);
	else child.once("exit", ended);
	return {
		ok: true,
		process: {
			identity,
			signal: (signal) => signalProcess(identity, signal),
			release: () => {
				released = true;
			},
		},
	};
}

/**
 * Watches a running process that another agent started, by a pidfd. Where the kernel gives none its end is seen within `pollMs`
 * (default 100).
 */
export function adoptSurviving(
	identity: ProcessIdentity,
	onExit: (because: string) => void,
	clock: Clock = realClock,
	pollMs = 100,
): SurvivingProcess {
	let cancel: Cancel = () => {};
	const ended = (): void => onExit("ended (adopted, so its exit code is unknown)");
	const watch = (): void => {
		cancel = clock.after(pollMs, () => (isRunning(identity) ? watch() : ended()));
	};
	// Taken first, so that it is the process that is found running then, and not one that has its number later.
	const pidfd = watchProcessEnd(identity.pid, ended);
	if (pidfd && isRunning(identity)) cancel = () => pidfd.close();
	else {
		pidfd?.close();
		watch();
	}
	return { identity, signal: (signal) => signalProcess(identity, signal), release: () => cancel() };
}

/** Keeps a log below `maxBytes`: its content moves to `LOG.1` and the file, which a process has open, starts anew. */
export function boundLog(path: string, maxBytes: number): void {
	let file: number;
	try {
		file = openSync(path, "r+");
	} catch {
		return;
	}
	try {
		if (fstatSync(file).size <= maxBytes) return;
		copyFileSync(path, `${path}.1`);
		ftruncateSync(file, 0);
	} finally {
		closeSync(file);
	}
}
