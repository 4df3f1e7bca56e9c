// Whether so many processes of a kind run (vrrp_track_process). Each one found is watched by a pidfd, so its end is known at once;
// new ones are heard of from the kernel, or found in /proc where it does not tell.

import type { Cancel } from "../../runtime/clock.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { watchProcesses } from "./process-connector.ts";
import { findMatching, matchesProcess, type ProcessCheck } from "./process-list.ts";
import { watchProcessEnd } from "./readable-descriptor.ts";

/** How often /proc is read where the kernel does not tell of new processes, and where it does. */
const scanMs = 250;
const rescanMs = 10_000;

export function startProcessProbe(check: ProcessCheck, context: ProbeContext): Probe {
	return new ProcessProbe(check, context);
}

class ProcessProbe implements Probe {
	readonly #check: ProcessCheck;
	readonly #context: ProbeContext;
	readonly #running = new Map<number, { close(): void }>();
	readonly #connector: { close(): void } | undefined;
	#told: boolean | undefined;
	#scan: Cancel | undefined;
	#delay: Cancel | undefined;
	#closed = false;

	constructor(check: ProcessCheck, context: ProbeContext) {
		this.#check = check;
		this.#context = context;
		this.#connector = watchProcesses((event) => {
			if (event.type === "lost") this.recheck();
			else this.#examine(event.pid);
		});
		this.recheck();
		this.#scanLater();
	}

	recheck(): void {
		if (this.#closed) return;
		for (const pid of findMatching(this.#check)) this.#watch(pid);
		this.#judge();
	}

	close(): void {
		this.#closed = true;
		this.#scan?.();
		this.#delay?.();
		this.#connector?.close();
		for (const watched of this.#running.values()) watched.close();
		this.#running.clear();
	}

	#scanLater(): void {
		this.#scan = this.#context.clock.after(this.#connector ? rescanMs : scanMs, () => {
			this.recheck();
			this.#scanLater();
		});
	}

	/** A process that executes something else may begin to match, or cease to. */
	#examine(pid: number): void {
		if (matchesProcess(this.#check, pid)) this.#watch(pid);
		else {
			this.#running.get(pid)?.close();
			this.#running.delete(pid);
		}
		this.#judge();
	}

	#watch(pid: number): void {
		if (this.#running.has(pid)) return;
		const watched = watchProcessEnd(pid, () => {
			this.#running.delete(pid);
			this.#judge();
		});
		if (watched) this.#running.set(pid, watched);
	}

	#judge(): void {
		const { delayMs, terminateDelayMs = delayMs } = this.#check;
		const ok = this.#enough();
		if (ok === this.#told) {
			this.#delay?.();
			this.#delay = undefined;
			return;
		}
		const waitMs = this.#told === undefined ? 0 : ok ? delayMs : terminateDelayMs;
		if (waitMs === 0) this.#tell(ok);
		else
			this.#delay ??= this.#context.clock.after(waitMs, () => {
				this.#delay = undefined;
				if (this.#enough() === ok) this.#tell(ok);
			});
	}

	#enough(): boolean {
		const { quorum, quorumMax = Number.POSITIVE_INFINITY } = this.#check;
		return this.#running.size >= quorum && this.#running.size <= quorumMax;
	}

	#tell(ok: boolean): void {
		if (this.#closed) return;
		this.#told = ok;
		const { name, quorum, quorumMax } = this.#check;
		const wanted = quorumMax === undefined ? `${quorum}` : `${quorum} to ${quorumMax}`;
		const because = `${this.#running.size} of ${name} running, ${wanted} wanted`;
		this.#context.onResult({ ok, because, tookMs: 0 });
	}
}
