// What the replicas of the control plane tell each other about a rotation, as files beside the authority's own:
//   rotation.json              the state of the rotation, written by whoever drives it at the moment
//   rotation.lock              held for the milliseconds of one look, so that two replicas never act at once
//   acknowledged/REPLICA.json  each replica's heartbeat: the bundle it hands out, and which of its proxies confirmed which

import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFile, replaceFile } from "../../runtime/durable-file.ts";
import type { ReplicaReport } from "../rotation/find-blockers.ts";
import { noRotation, type RotationState } from "../rotation/rotation-state.ts";

export type Heartbeat = Omit<ReplicaReport, "fresh"> & {
	/** Another one with each heartbeat. */
	readonly beat: string;
};

/** A lock this old belongs to a replica that died: a look takes milliseconds. */
const lockLifeMs = 20_000;
const replicaPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/;

export class RotationStore {
	readonly directory: string;
	readonly #lastBeats = new Map<string, { readonly beat: string; readonly sinceMs: number }>();

	constructor(directory: string) {
		this.directory = directory;
		mkdirSync(this.#heartbeats, { recursive: true, mode: 0o700 });
	}

	/** Throws for a file that is none of ours: to go on without it would forget a rotation that is half done. */
	readState(): RotationState {
		const path = join(this.directory, "rotation.json");
		const text = readIfThere(path);
		if (text === undefined) return noRotation;
		const state = parsed(text) as RotationState | null | undefined;
		if (typeof state?.epoch !== "number" || (state.phase !== "idle" && state.phase !== "running"))
			throw new Error(`${path} is no state of a rotation: put it back, or remove it and rotate again`);
		return state;
	}

	/** Only with the lock. */
	writeState(state: RotationState): void {
		replaceFile(join(this.directory, "rotation.json"), `${JSON.stringify(state, undefined, "\t")}\n`);
	}

	/** Runs it while no other replica does; undefined when another is at it. It must not wait for anything. */
	withLock<Result>(run: () => Result): { readonly result: Result } | undefined {
		const path = join(this.directory, "rotation.lock");
		if (!createFile(path, `${process.pid}\n`) && !(this.#removeAbandoned(path) && createFile(path, `${process.pid}\n`)))
			return undefined;
		try {
			return { result: run() };
		} finally {
			rmSync(path, { force: true });
		}
	}

	writeHeartbeat(heartbeat: Heartbeat): void {
		replaceFile(this.#heartbeatPath(heartbeat.replica), JSON.stringify(heartbeat));
	}

	/** A replica that stops in good order, or that an operator knows to be gone. False when there is no such file. */
	forgetReplica(replica: string): boolean {
		if (!replicaPattern.test(replica) || readIfThere(this.#heartbeatPath(replica)) === undefined) return false;
		rmSync(this.#heartbeatPath(replica), { force: true });
		return true;
	}

	/**
	 * What every replica says. `fresh` goes by the reader's own clock: a heartbeat is fresh while a new one was seen in the
	 * last `staleMs`, whatever time it is on the other machine.
	 */
	readFleet(nowMs: number, staleMs: number): readonly ReplicaReport[] {
		return this.#readHeartbeats().map(({ beat, ...report }) => {
			const last = this.#lastBeats.get(report.replica);
			// Seen for the first time: it may be old, so the next one has to come.
			const sinceMs = last?.beat === beat ? last.sinceMs : last ? nowMs : Number.NEGATIVE_INFINITY;
			this.#lastBeats.set(report.replica, { beat, sinceMs });
			return { ...report, fresh: nowMs - sinceMs <= staleMs };
		});
	}

	#readHeartbeats(): readonly Heartbeat[] {
		return readdirSync(this.#heartbeats)
			.filter((name) => name.endsWith(".json") && !name.startsWith("."))
			.sort()
			.flatMap((name) => {
				const text = readIfThere(join(this.#heartbeats, name));
				return text === undefined ? [] : [heartbeatIn(text, name.slice(0, -".json".length))];
			});
	}

	get #heartbeats(): string {
		return join(this.directory, "acknowledged");
	}

	#heartbeatPath(replica: string): string {
		if (!replicaPattern.test(replica)) throw new Error(`${replica} is no name of a replica`);
		return join(this.#heartbeats, `${replica}.json`);
	}

	/** Whether the lock's holder died; then the lock is gone. Ages are measured on the file system's own clock. */
	#removeAbandoned(path: string): boolean {
		const mine = `${this.directory}/.lock.${process.pid}.${randomBytes(6).toString("hex")}`;
		const isOld = (file: string): boolean => statSync(mine).mtimeMs - statSync(file).mtimeMs >= lockLifeMs;
		try {
			writeFileSync(mine, "", { mode: 0o600 });
			if (!isOld(path)) return false;
			renameSync(path, `${mine}.old`);
			// Another replica may have been faster, and this is its lock: back with it.
			if (isOld(`${mine}.old`)) return true;
			linkSync(`${mine}.old`, path);
			return false;
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === "ENOENT" || code === "EEXIST") return false;
			throw error;
		} finally {
			rmSync(mine, { force: true });
			rmSync(`${mine}.old`, { force: true });
		}
	}
}

/** One that is damaged is of a replica that is not heard of: it never becomes fresh, and an operator can forget it. */
function heartbeatIn(text: string, replica: string): Heartbeat {
	const { beat, bundleVersion, connected, expected } = (parsed(text) ?? {}) as Partial<Heartbeat>;
	const isWhole = typeof beat === "string" && Array.isArray(connected) && Array.isArray(expected);
	if (isWhole && typeof bundleVersion === "string") return { replica, beat, bundleVersion, connected, expected };
	return { replica, beat: "", bundleVersion: "", connected: [], expected: [] };
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
