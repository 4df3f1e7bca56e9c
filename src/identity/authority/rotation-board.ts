// Where the replicas of a control plane meet over a rotation: its state, the changes of the authority that it asks for, and what
// each replica says of its proxies. Here: over a directory that they share. On Kubernetes it is the API server.

import type { ReplicaReport } from "../rotation/find-blockers.ts";
import type { RotationState } from "../rotation/rotation-state.ts";
import type { Authority } from "./authority.ts";
import type { Heartbeat, RotationStore } from "./rotation-store.ts";

/** The authority and the rotation's state, as they are while nobody else changes them. */
export interface LockedRotation {
	readonly authority: Authority;
	/** Throws for what is no state. */
	readState(): RotationState;
	writeState(state: RotationState): void;
}

/** Undefined: another replica is at it, or what was done did not come to count; look again. */
export type ChangeOutcome<Result> = { readonly result: Result } | undefined;

export interface RotationBoard {
	/** Whether this replica looks whether a stage can end. Default: every one does. */
	readonly mayDrive?: boolean;
	/** Why nothing can be changed now, where that is known without trying. */
	readonly problem?: string | undefined;
	/** Throws for what is no state: to go on without it would forget a rotation that is half done. */
	readState(): RotationState;
	/** Runs it while no other replica does. It must not wait for anything. What it did counts, and is seen, when there is an outcome. */
	change<Result>(run: (locked: LockedRotation) => Result): ChangeOutcome<Result> | Promise<ChangeOutcome<Result>>;
	/** Called at each look while a rotation runs, and every few seconds otherwise. */
	writeHeartbeat(heartbeat: Heartbeat, isRotating: boolean): void;
	/** A replica that stops in good order, or that an operator knows to be gone. False: none of this name is known. */
	forgetReplica(replica: string): boolean;
	/** What every replica says; `fresh` goes by the reader's own clock. */
	readFleet(nowMs: number, staleMs: number): readonly ReplicaReport[];
	/** Asks all for a heartbeat now, where they do not write them all the time. */
	gather?(): Promise<void>;
}

/** Over the authority's directory, with its lock file. */
export function directoryBoard(authority: Authority, store: RotationStore): RotationBoard {
	const locked: LockedRotation = {
		authority,
		readState: () => store.readState(),
		writeState: (state) => store.writeState(state),
	};
	return {
		readState: () => store.readState(),
		change: (run) =>
			store.withLock(() => {
				authority.refresh();
				return run(locked);
			}),
		writeHeartbeat: (heartbeat) => store.writeHeartbeat(heartbeat),
		forgetReplica: (replica) => store.forgetReplica(replica),
		readFleet: (nowMs, staleMs) => store.readFleet(nowMs, staleMs),
	};
}
