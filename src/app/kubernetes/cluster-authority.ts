// The certificate authority of a control plane on Kubernetes: every replica has the same one, through a Secret at the API server, or
// the operator's from Secret `cacerts`. In: the API server. Out: directories to open the authority in, and where replicas meet over
// rotations. A replica that has the authority on its disk goes on without the API server; one that has nothing waits for it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AuthorityFilesError, type AuthorityOptions, openAuthority } from "../../identity/authority/authority.ts";
import { AuthorityStore } from "../../identity/authority/authority-store.ts";
import { JoinTokens } from "../../identity/authority/join-tokens.ts";
import { NodeRegistrations } from "../../identity/authority/node-registrations.ts";
import type { RotationBoard } from "../../identity/authority/rotation-board.ts";
import { HeartbeatMap } from "../../kubernetes/authority/heartbeat-map.ts";
import { PlugInMirror } from "../../kubernetes/authority/plug-in-mirror.ts";
import { SecretBoard } from "../../kubernetes/authority/secret-board.ts";
import { SecretDirectory, type TransactionOutcome } from "../../kubernetes/authority/secret-directory.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { Clock } from "../../runtime/clock.ts";
import { replaceFile } from "../../runtime/durable-file.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { CertificateAuthority, JoinTransaction } from "../control/certificate-authority.ts";
import { authoritySecret, authoritySecretType, plugInMarker, plugInSecret, rotationMap } from "./authority-names.ts";

export interface ClusterAuthorityOptions {
	readonly namespace: string;
	/** Of this replica: its Pod's. */
	readonly replica: string;
	/** This replica's own; made when it is not there. */
	readonly directory: string;
	readonly authority: Pick<
		AuthorityOptions,
		"trustDomain" | "keyType" | "passphrase" | "leafTtlMs" | "plugInDirectory"
	>;
}

export interface ClusterAuthorityParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
	readonly isLeader: () => boolean;
	/** The API server is known not to answer: what is on this disk is enough for now. */
	readonly isAway?: () => boolean;
	/** Why there is no authority yet; undefined: there is one. */
	readonly onWaiting?: (because: string | undefined) => void;
}

const tryAgainMs = 1_000;
const slowestTryMs = 10_000;

/** How a rotation is looked after where each look may be a write at the API server. */
export const clusterRotationPace = { busyMs: 2_000, staleMs: 25_000 } as const;

export class ClusterAuthority {
	readonly #options: ClusterAuthorityOptions;
	readonly #parts: ClusterAuthorityParts;
	readonly #shared: SecretDirectory;
	readonly #plugIn: PlugInMirror;
	readonly #heartbeats: HeartbeatMap;
	#refresh: () => void = () => {};
	#isSelfMade = false;
	#isClosed = false;

	constructor(options: ClusterAuthorityOptions, parts: ClusterAuthorityParts) {
		this.#options = options;
		this.#parts = parts;
		const { clock, client, log, metrics } = parts;
		const { directory, namespace, replica } = options;
		const writes = metrics.counter(
			"keepmesh_authority_writes_total",
			"Writes at the API server for the certificate authority.",
			["object"],
		);
		const common = { client, clock, log };
		this.#shared = new SecretDirectory(
			{ namespace, name: authoritySecret, type: authoritySecretType, directory },
			{ ...common, onChange: () => this.#refresh(), onWritten: () => writes.add(1, { object: "secret" }) },
		);
		this.#plugIn = new PlugInMirror(
			{ namespace, name: plugInSecret, directory: `${directory}-${plugInSecret}` },
			{ ...common, onChange: () => this.#plugInChanged() },
		);
		this.#heartbeats = new HeartbeatMap(
			{ namespace, name: rotationMap, replica },
			{ ...common, onWritten: () => writes.add(1, { object: "heartbeat" }) },
		);
	}

	/** Resolves when the directory has the authority of all. Rejects with an AuthorityFilesError for what only the operator can mend. */
	async ready(): Promise<void> {
		for (let waitMs = tryAgainMs; !this.#isClosed; waitMs = Math.min(waitMs * 2, slowestTryMs)) {
			const isEnough = this.#parts.isAway?.() === true && this.#isOnDisk;
			const because = isEnough ? "the API server does not answer" : await this.#tryToShare();
			if (because === undefined) break;
			if (this.#isOnDisk) {
				this.#parts.log.warn({ because }, "the authority is not shared at this moment: what is on this disk goes on");
				break;
			}
			this.#parts.onWaiting?.(because);
			this.#parts.log.error(
				{ because },
				"no certificate authority yet: no certificates, and no proxies, until there is",
			);
			await new Promise<void>((done) => this.#parts.clock.after(waitMs, done));
		}
		this.#parts.onWaiting?.(undefined);
		this.#isSelfMade = this.plugInDirectory === undefined;
		this.#shared.follow();
		this.#plugIn.follow();
		this.#heartbeats.follow();
	}

	get directory(): string {
		return this.#shared.directory;
	}

	/** Undefined: the authority is self-made. */
	get plugInDirectory(): string | undefined {
		return this.#options.authority.plugInDirectory ?? (this.#plugIn.exists ? this.#plugIn.directory : undefined);
	}

	/** Puts the authority, which was opened in these directories, together with the other replicas'. */
	join({ authority, joinThrough }: CertificateAuthority): RotationBoard {
		this.#refresh = () => authority.refresh();
		joinThrough((run) => this.#joinNode(run));
		const { isLeader, clock } = this.#parts;
		const { plugInDirectory } = this;
		const options = {
			...this.#options.authority,
			...(plugInDirectory === undefined ? {} : { plugInDirectory }),
			wallMs: () => clock.wallMs(),
		};
		return new SecretBoard({ directory: this.#shared, heartbeats: this.#heartbeats, authority, options, isLeader });
	}

	/** A change of what all replicas share, made in a copy of the directory; see SecretDirectory. */
	transact<Result>(run: (copy: string) => Result): Promise<TransactionOutcome<Result>> {
		return this.#shared.transact(run);
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		await this.#heartbeats.close();
		this.#shared.close();
		this.#plugIn.close();
	}

	get #isOnDisk(): boolean {
		return new AuthorityStore(this.directory).latestVersion() > 0 || this.plugInDirectory !== undefined;
	}

	/** Undefined: it is done. */
	async #tryToShare(): Promise<string | undefined> {
		try {
			await this.#plugIn.load();
			await this.#shared.load();
			const made = await this.#shared.transact((copy) => this.#makeIn(copy));
			return made.ok ? undefined : `${this.#shared.where} is being changed all the time`;
		} catch (error) {
			if (error instanceof AuthorityFilesError) throw error;
			return error instanceof Error ? error.message : String(error);
		}
	}

	/** The first replica makes the authority; the others find it made. */
	#makeIn(copy: string): void {
		const { authority } = this.#options;
		if (this.plugInDirectory !== undefined) {
			const path = join(copy, plugInMarker);
			if (textOf(path) === undefined) replaceFile(path, "Secret cacerts, or --cacerts\n", false);
			return;
		}
		if (textOf(join(copy, plugInMarker)) !== undefined) throw new AuthorityFilesError(this.#lacksPlugIn());
		openAuthority({ ...authority, directory: copy, wallMs: () => this.#parts.clock.wallMs() }).close();
	}

	#lacksPlugIn(): string {
		const { namespace } = this.#options;
		const remove = `[{"op":"remove","path":"/data/${plugInMarker}"}]`;
		return `the authority of this mesh is plugged in, and Secret ${namespace}/${plugInSecret} is missing: put it back; or, for a new root that no proxy trusts yet: kubectl -n ${namespace} patch secret ${authoritySecret} --type=json -p '${remove}'`;
	}

	async #joinNode(run: Parameters<JoinTransaction>[0]): ReturnType<JoinTransaction> {
		try {
			const done = await this.transact((copy) =>
				run({ tokens: new JoinTokens(copy), registrations: new NodeRegistrations(copy) }),
			);
			if (done.ok) return { outcome: done.result };
			return { because: "other replicas change the authority all the time: try again" };
		} catch (error) {
			const because = error instanceof Error ? error.message : String(error);
			this.#parts.log.error({ because }, "a join token cannot be used up");
			return { because: "the API server, which keeps the join tokens, cannot be asked, or refuses: try again" };
		}
	}

	#plugInChanged(): void {
		if (!this.#isSelfMade || this.#options.authority.plugInDirectory !== undefined) {
			this.#refresh();
			return;
		}
		const next = `put the root that is in force into its root-cert.pem as well, then: kubectl -n ${this.#options.namespace} rollout restart deployment`;
		this.#parts.log.warn(
			{ secret: plugInSecret, next },
			"a plugged-in authority has appeared: it counts when the control planes start anew",
		);
	}
}

function textOf(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}
