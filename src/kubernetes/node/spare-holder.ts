// Where the node's spare Envoy outlives the agent's container: in the control groups of another container of the same pod, which does
// nothing (spare-holder.sh). In: the spare's process, again and again. Out: it is there, as soon as that container runs.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { identifyProcess, isRunning, type ProcessIdentity } from "../../node/process-table.ts";
import type { Log } from "../../runtime/log.ts";
import { groupOfPod, podGroups } from "./control-groups.ts";

const holderProgram = "spare-holder.sh";
/** A runtime may give a container a group within its group. */
const deepestGroup = 2;

export class SpareHolder {
	readonly #log: Log;
	readonly #proc: string;
	#holder: ProcessIdentity | undefined;
	#held: number | undefined;
	#said: string | undefined;

	/** `proc`: of the machine. Default `/proc`. */
	constructor({ log, proc = "/proc" }: { readonly log: Log; readonly proc?: string }) {
		this.#log = log;
		this.#proc = proc;
	}

	/** To be said every few seconds: the holder may begin later than the spare, and end. */
	hold(pid: number): void {
		if (this.#held === pid && this.#holder && isRunning(this.#holder)) return;
		this.#held = undefined;
		const because = this.#put(pid);
		if (because === undefined) this.#held = pid;
		if (this.#said === (because ?? "")) return;
		this.#said = because ?? "";
		if (because === undefined)
			this.#log.info({ pid, holder: this.#holder?.pid }, "the spare outlives the agent's container");
		else this.#log.warn({ pid, because }, "the spare would end with the agent's container");
	}

	/** Undefined: it is there. */
	#put(pid: number): string | undefined {
		this.#holder = this.#find();
		if (!this.#holder) return "no container of the agent's pod holds it";
		const groups = podGroups(this.#holder.pid, this.#proc);
		if (groups.length === 0) return "its holder has ended";
		const isThere = new Set(podGroups(pid, this.#proc));
		try {
			// Of all of them: by some the runtime finds what to kill, by the others it sees that nothing is left.
			for (const group of groups) if (!isThere.has(group)) writeFileSync(`${group}/cgroup.procs`, String(pid));
			return undefined;
		} catch (error) {
			return error instanceof Error ? error.message : String(error);
		}
	}

	#find(): ProcessIdentity | undefined {
		for (const own of podGroups("self", this.#proc)) {
			const pod = groupOfPod(own);
			const pid = pod === undefined ? undefined : processesBelow(pod).find((one) => this.#isHolder(one));
			if (pid !== undefined) return identifyProcess(pid);
		}
		return undefined;
	}

	#isHolder(pid: number): boolean {
		try {
			const words = readFileSync(`${this.#proc}/${pid}/cmdline`, "utf8").split("\0");
			return words.slice(0, 2).some((word) => basename(word) === holderProgram);
		} catch {
			return false;
		}
	}
}

function processesBelow(group: string, depth = 0): readonly number[] {
	try {
		const own = readFileSync(`${group}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
		if (depth === deepestGroup) return own;
		const below = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
		return [...own, ...below.flatMap(({ name }) => processesBelow(`${group}/${name}`, depth + 1))];
	} catch {
		return [];
	}
}
