// The board of rotations of replicas that share an authority through the API server: state and authority in the Secret, heartbeats
// in a ConfigMap. Any replica may begin or abort a rotation; the leader alone moves it on. Each change is one write of the Secret,
// whole or not at all: the rotation's state and what was done to the authority come to count at the same moment.

import { type Authority, type AuthorityOptions, openAuthority } from "../../identity/authority/authority.ts";
import type { ChangeOutcome, LockedRotation, RotationBoard } from "../../identity/authority/rotation-board.ts";
import { type Heartbeat, RotationStore } from "../../identity/authority/rotation-store.ts";
import type { ReplicaReport } from "../../identity/rotation/find-blockers.ts";
import type { RotationState } from "../../identity/rotation/rotation-state.ts";
import type { HeartbeatMap } from "./heartbeat-map.ts";
import type { SecretDirectory } from "./secret-directory.ts";

export interface SecretBoardParts {
	readonly directory: SecretDirectory;
	readonly heartbeats: HeartbeatMap;
	/** The one that signs. */
	readonly authority: Authority;
	/** How the one that signs was opened. */
	readonly options: Omit<AuthorityOptions, "directory" | "clock" | "onProblem">;
	readonly isLeader: () => boolean;
}

export class SecretBoard implements RotationBoard {
	readonly #parts: SecretBoardParts;
	readonly #store: RotationStore;

	constructor(parts: SecretBoardParts) {
		this.#parts = parts;
		this.#store = new RotationStore(parts.directory.directory);
	}

	get mayDrive(): boolean {
		return this.#parts.isLeader();
	}

	get problem(): string | undefined {
		const { directory } = this.#parts;
		return directory.stale === undefined ? undefined : `${directory.where} cannot be followed: ${directory.stale}`;
	}

	readState(): RotationState {
		return this.#store.readState();
	}

	/** Rejects when the API server cannot be asked, and with what `run` throws. */
	async change<Result>(run: (locked: LockedRotation) => Result): Promise<ChangeOutcome<Result>> {
		const { authority, directory, options } = this.#parts;
		const outcome = await directory.transact((copy) => {
			const inCopy = openAuthority({ ...options, directory: copy });
			const store = new RotationStore(copy);
			try {
				return run({
					authority: inCopy,
					readState: () => store.readState(),
					writeState: (state) => store.writeState(state),
				});
			} finally {
				inCopy.close();
			}
		}, 1);
		authority.refresh();
		return outcome.ok ? { result: outcome.result } : undefined;
	}

	writeHeartbeat(heartbeat: Heartbeat, isRotating: boolean): void {
		this.#parts.heartbeats.say(heartbeat, isRotating);
	}

	forgetReplica(replica: string): boolean {
		return this.#parts.heartbeats.forget(replica);
	}

	readFleet(nowMs: number, staleMs: number): readonly ReplicaReport[] {
		const { heartbeats } = this.#parts;
		if (this.mayDrive) heartbeats.lookForGone(nowMs, staleMs);
		return heartbeats.reports(nowMs, staleMs);
	}

	/** Where it cannot be asked, others seem silent. */
	async gather(): Promise<void> {
		await this.#parts.heartbeats.gather().catch(() => undefined);
	}
}
