// One replica's part in rotations: it says in a heartbeat which bundle its proxies have confirmed, and looks whether the
// stage under way can end. Every replica does; the lock in the authority's directory keeps their looks apart, so it does not
// matter which of them dies, or when.

import { randomUUID } from "node:crypto";
import type { Authority } from "../../identity/authority/authority.ts";
import {
	type ChangeOutcome,
	directoryBoard,
	type LockedRotation,
	type RotationBoard,
} from "../../identity/authority/rotation-board.ts";
import type { RotationStore } from "../../identity/authority/rotation-store.ts";
import { findBlockers, type ReplicaReport } from "../../identity/rotation/find-blockers.ts";
import { renderBlockers } from "../../identity/rotation/render-rotation.ts";
import {
	type AuthorityFacts,
	type Blocker,
	noRotation,
	type RotationKind,
	type RotationState,
} from "../../identity/rotation/rotation-state.ts";
import {
	defaultRotationConfig,
	type RotationAction,
	type RotationConfig,
	type RotationEvent,
	stepRotation,
} from "../../identity/rotation/step-rotation.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type TrustBundleResource, trustBundleResource } from "./trust-bundle-part.ts";

export interface RotationDriverOptions {
	readonly replica: string;
	readonly rotation?: RotationConfig;
	/** Between looks while a rotation runs. Default 500 ms. */
	readonly busyMs?: number;
	/** Between looks for a rotation that another replica began. Default 1,000 ms. */
	readonly idleMs?: number;
	/** A replica without a heartbeat for this time blocks. Default 5,000 ms. */
	readonly staleMs?: number;
}

export interface RotationDriverParts {
	readonly authority: Authority;
	/** Files in the authority's directory, or another place where all replicas meet. */
	readonly store: RotationStore | RotationBoard;
	readonly clock: Clock;
	readonly log: Log;
	/** Its proxies now, with what they have confirmed: the version that is asked for, or another one. */
	readonly connected: (bundleVersion: string) => ReplicaReport["connected"];
	readonly expected: () => readonly string[];
	/** The bundle that proxies are to have from now on. */
	readonly onBundle: (bundle: TrustBundleResource) => void;
	/** After each look. */
	readonly onLook?: (state: RotationState) => void;
}

export type RequestOutcome =
	| { readonly ok: true; readonly state: RotationState }
	| { readonly ok: false; readonly because: string };

const idleHeartbeatMs = 5_000;
const mostTurns = 10;

export class RotationDriver {
	readonly #options: RotationDriverOptions;
	readonly #parts: RotationDriverParts;
	readonly #board: RotationBoard;
	#isDriving = false;
	#bundle: TrustBundleResource;
	#state: RotationState;
	#lastHeartbeatMs = Number.NEGATIVE_INFINITY;
	#lastProblem = "";
	#lastStage = "";
	#cancelTick: Cancel = () => {};
	#unsubscribe: Cancel = () => {};

	/** With a `rotation.json` that cannot be read it serves, and rotates nothing until it can. */
	constructor(options: RotationDriverOptions, parts: RotationDriverParts) {
		this.#options = options;
		this.#parts = parts;
		const { authority, store } = parts;
		this.#board = "withLock" in store ? directoryBoard(authority, store) : store;
		this.#state = stateNow(this.#board);
		this.#bundle = trustBundleResource(parts.authority.bundle(), this.#state.epoch);
	}

	start(): void {
		this.#parts.onBundle(this.#bundle);
		// First the control plane's own port takes the change: streams that a dropped root had opened are gone by then.
		const refresh = (): void => this.#refreshBundle();
		this.#unsubscribe = this.#parts.authority.onChange(() => queueMicrotask(refresh));
		this.#tick();
	}

	get bundle(): TrustBundleResource {
		return this.#bundle;
	}

	state(): RotationState {
		return this.#state;
	}

	/** Why rotations, or the authority's files, cannot be looked at now. */
	problem(): string | undefined {
		return this.#lastProblem || this.#board.problem || this.#parts.authority.problem;
	}

	/** Who would block a stage that began now. */
	async blockers(): Promise<readonly Blocker[]> {
		this.#beat();
		await this.#board.gather?.();
		const { replica } = this.#options;
		const fleet = this.#fleet(3 * idleHeartbeatMs).map((report) =>
			report.replica === replica ? { ...report, fresh: true } : report,
		);
		return findBlockers(fleet, this.#bundle.version);
	}

	request(kind: RotationKind): Promise<RequestOutcome> {
		return this.#ask((authority, nowMs) => ({ type: "requested", kind, authority, nowMs }));
	}

	abort(): Promise<RequestOutcome> {
		return this.#ask((_, nowMs) => ({ type: "abortRequested", nowMs }));
	}

	forgetReplica(replica: string): boolean {
		return this.#board.forgetReplica(replica);
	}

	/** In good order: the others need not wait for it. */
	close(): void {
		this.#cancelTick();
		this.#unsubscribe();
		this.#board.forgetReplica(this.#options.replica);
	}

	async #ask(event: (authority: AuthorityFacts, nowMs: number) => RotationEvent): Promise<RequestOutcome> {
		try {
			return await this.#askLocked(event);
		} catch (error) {
			const because = error instanceof Error ? error.message : String(error);
			this.#parts.log.error({ problem: because }, "rotation cannot be looked at");
			return { ok: false, because };
		}
	}

	async #askLocked(event: (authority: AuthorityFacts, nowMs: number) => RotationEvent): Promise<RequestOutcome> {
		const { clock } = this.#parts;
		for (let attempt = 0; attempt < 50; attempt++) {
			const done = await this.#board.change((locked): RequestOutcome => {
				const problem = problemOf(() => locked.readState()) ?? locked.authority.problem;
				if (problem !== undefined) return { ok: false, because: problem };
				const before = locked.readState();
				const step = stepRotation(this.#config, before, event(factsOf(locked.authority, before.epoch), clock.wallMs()));
				const refusal = step.actions.find((action) => action.type === "refuse");
				if (refusal) return { ok: false, because: refusal.because };
				locked.writeState(step.state);
				return { ok: true, state: step.state };
			});
			if (done) {
				this.#wake();
				return done.result;
			}
			await new Promise<void>((resolve) => clock.after(20, resolve));
		}
		return { ok: false, because: "the other control planes hold the lock all the time; try again" };
	}

	#wake(): void {
		this.#cancelTick();
		this.#cancelTick = this.#parts.clock.after(0, () => this.#tick());
	}

	#tick(): void {
		const { onLook } = this.#parts;
		try {
			this.#look();
			this.#lastProblem = "";
		} catch (error) {
			this.#failed(error);
		}
		onLook?.(this.#state);
		const { busyMs = 500, idleMs = 1_000 } = this.#options;
		this.#cancelTick();
		this.#cancelTick = this.#parts.clock.after(this.#state.phase === "running" ? busyMs : idleMs, () => this.#tick());
	}

	#failed(error: unknown): void {
		const problem = error instanceof Error ? error.message : String(error);
		if (problem !== this.#lastProblem) this.#parts.log.error({ problem }, "rotation cannot be looked at");
		this.#lastProblem = problem;
	}

	#look(): void {
		this.#adopt(this.#board.readState());
		const isRunning = this.#state.phase === "running";
		if (isRunning || this.#parts.clock.monotonicMs() - this.#lastHeartbeatMs >= idleHeartbeatMs) this.#beat();
		// Whose heartbeats go on is known only to who has seen them before.
		const fleet = this.#fleet();
		if (!isRunning || this.#board.mayDrive === false || this.#isDriving) return;
		const done = this.#board.change((locked) => this.#drive(locked, fleet));
		if (!(done instanceof Promise)) {
			this.#driven(done);
			return;
		}
		this.#isDriving = true;
		done
			.then((outcome) => this.#driven(outcome))
			.catch((error: unknown) => this.#failed(error))
			.finally(() => {
				this.#isDriving = false;
			});
	}

	#driven(done: ChangeOutcome<RotationState>): void {
		if (done) this.#adopt(done.result);
	}

	#beat(): void {
		const { clock, connected, expected } = this.#parts;
		const { version } = this.#bundle;
		const heartbeat = {
			replica: this.#options.replica,
			beat: randomUUID(),
			bundleVersion: version,
			connected: connected(version),
			expected: expected(),
		};
		this.#board.writeHeartbeat(heartbeat, this.#state.phase === "running");
		// Not before: one that could not be written is tried again at the next look.
		this.#lastHeartbeatMs = clock.monotonicMs();
	}

	/** Notes down, acts, and looks again until there is nothing more to do now. */
	#drive(locked: LockedRotation, fleet: readonly ReplicaReport[]): RotationState {
		const { clock } = this.#parts;
		let state = locked.readState();
		for (let turn = 0; turn < mostTurns; turn++) {
			const before = state;
			const observed = { authority: factsOf(locked.authority, state.epoch), fleet, nowMs: clock.wallMs() };
			const step = stepRotation(this.#config, state, { type: "observed", ...observed });
			state = note(locked, before, step.state);
			const failure = step.actions
				.map((action) => this.#act(locked.authority, action))
				.find((because) => because !== undefined);
			if (failure)
				return note(locked, state, stepRotation(this.#config, state, { ...failure, nowMs: clock.wallMs() }).state);
			if (step.actions.length === 0 && state.epoch === before.epoch && state.phase === before.phase) break;
		}
		return state;
	}

	#act(authority: Authority, action: RotationAction) {
		const { log } = this.#parts;
		try {
			run(authority, action);
			log.info({ ...action }, "rotation acted");
			return undefined;
		} catch (error) {
			const because = error instanceof Error ? error.message : String(error);
			log.error({ ...action, because }, "rotation could not act");
			return { type: "actionFailed", action, because } as const;
		}
	}

	#fleet(staleMs = this.#options.staleMs ?? 5_000): readonly ReplicaReport[] {
		return this.#board.readFleet(this.#parts.clock.monotonicMs(), staleMs);
	}

	#adopt(state: RotationState): void {
		this.#state = state;
		this.#refreshBundle();
		const stage = state.phase === "running" ? `${state.kind} ${state.stage}` : (state.last?.outcome ?? "");
		if (stage === this.#lastStage) return;
		this.#lastStage = stage;
		const waitsFor = state.phase === "running" ? renderBlockers(state.blockers, state.blockerCount) : [];
		this.#parts.log.info({ stage, epoch: state.epoch, waitsFor }, "rotation stage");
	}

	#refreshBundle(): void {
		const bundle = trustBundleResource(this.#parts.authority.bundle(), this.#state.epoch);
		if (bundle.version === this.#bundle.version) return;
		this.#bundle = bundle;
		this.#parts.onBundle(bundle);
	}

	get #config(): RotationConfig {
		return this.#options.rotation ?? defaultRotationConfig;
	}
}

/** On disk before anything is done: whoever goes on finds at least as much noted down as was done. */
function note(locked: LockedRotation, before: RotationState, state: RotationState): RotationState {
	if (JSON.stringify(state) !== JSON.stringify(before)) locked.writeState(state);
	return state;
}

function factsOf(authority: Authority, epoch: number): AuthorityFacts {
	const bundle = authority.bundle();
	return {
		roots: authority.roots().map(({ fingerprint }) => fingerprint),
		issuers: authority.issuers().map(({ keyId, root }) => ({ keyId, rootFingerprint: root })),
		signing: bundle.issuerKeyId,
		bundleVersion: trustBundleResource(bundle, epoch).version,
	};
}

function stateNow(store: RotationBoard): RotationState {
	try {
		return store.readState();
	} catch {
		return noRotation;
	}
}

function problemOf(read: () => unknown): string | undefined {
	try {
		read();
		return undefined;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

function run(authority: Authority, action: RotationAction): void {
	switch (action.type) {
		case "addRoot":
			authority.addRoot();
			return;
		case "addIssuer":
			authority.addIssuer();
			return;
		case "signWith":
			authority.signWith(action.issuerKeyId);
			return;
		case "dropRoot":
			authority.dropRoot(action.fingerprint);
			return;
		case "dropIssuer":
			authority.dropIssuer(action.issuerKeyId);
			return;
		case "refuse":
			return;
		default:
			action satisfies never;
	}
}
