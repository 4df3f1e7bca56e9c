// Leases as files of a directory that the nodes share (NFS or the like). Each version of a lease is a file of its own,
// NAMESPACE.NAME.VERSION, complete before it is hard-linked to that name: of two writers of the same version one link fails.
// The highest version is the lease; older ones are removed afterwards. A directory that hangs is asked once, not again and again.

import { link, mkdir, open, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { acquiredRecord, releasedRecord, renewedRecord } from "../../vip/election/lease-record.ts";
import type {
	LeaseClaim,
	LeaseName,
	LeaseOutcome,
	LeaseRecord,
	LeaseStore,
	StoredLease,
} from "../../vip/election/lease-store.ts";

/** An operation that takes longer hangs, and others are refused meanwhile. */
const hangsAfterMs = 1500;
/** Of operations of one process that wait for each other. */
const longestQueue = 1000;
const conflict: LeaseOutcome = { ok: false, because: "conflict", message: "somebody else changed the lease" };

export class FileLeaseStore implements LeaseStore {
	readonly #directory: string;
	readonly #wallMs: () => number;
	/** When the one at work began. */
	#busySinceMs: number | undefined;
	#waiting = 0;
	#last: Promise<unknown> = Promise.resolve();

	constructor(directory: string, wallMs: () => number) {
		this.#directory = directory;
		this.#wallMs = wallMs;
	}

	read(name: LeaseName): Promise<LeaseOutcome> {
		return this.#inTurn(async () => ({ ok: true, lease: await this.#newest(prefixOf(name)) }));
	}

	acquire(name: LeaseName, claim: LeaseClaim, seen: StoredLease | undefined): Promise<LeaseOutcome> {
		return this.#replace(name, seen, (at) => acquiredRecord(claim, seen?.record, at));
	}

	renew(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		if (seen.record.holderIdentity !== claim.identity) return Promise.resolve(conflict);
		return this.#replace(name, seen, (at) => renewedRecord(claim, seen.record, at));
	}

	release(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		if (seen.record.holderIdentity !== claim.identity) return Promise.resolve(conflict);
		return this.#replace(name, seen, (at) => releasedRecord(claim, seen.record, at));
	}

	#replace(name: LeaseName, seen: StoredLease | undefined, make: (at: string) => LeaseRecord): Promise<LeaseOutcome> {
		return this.#inTurn(async () => {
			const prefix = prefixOf(name);
			await mkdir(this.#directory, { recursive: true });
			const before = Number(seen?.resourceVersion ?? 0);
			if (((await this.#versions(prefix)).at(-1) ?? 0) !== before) return conflict;
			const record = make(new Date(this.#wallMs()).toISOString());
			const version = before + 1;
			if (!(await this.#link(prefix, version, record))) return conflict;
			// A writer that stood still may have made a version that was there before, and was removed since.
			const versions = await this.#versions(prefix);
			if (versions.at(-1) !== version) {
				await unlink(this.#path(prefix, version)).catch(() => undefined);
				return conflict;
			}
			for (const old of versions) if (old < version) await unlink(this.#path(prefix, old)).catch(() => undefined);
			return { ok: true, lease: { record, resourceVersion: String(version) } };
		});
	}

	/** False: somebody has made that version already. */
	async #link(prefix: string, version: number, record: LeaseRecord): Promise<boolean> {
		const draft = join(this.#directory, `.${prefix}.${process.pid}.${Math.random().toString(36).slice(2)}`);
		const file = await open(draft, "wx", 0o644);
		try {
			try {
				await file.writeFile(`${JSON.stringify(record)}\n`);
				await file.sync();
			} finally {
				await file.close();
			}
			await link(draft, this.#path(prefix, version));
			return true;
		} catch (error) {
			if (codeOf(error) === "EEXIST") return false;
			throw error;
		} finally {
			await unlink(draft).catch(() => undefined);
		}
	}

	async #newest(prefix: string): Promise<StoredLease | undefined> {
		for (let attempt = 0; ; attempt++) {
			const version = (await this.#versions(prefix)).at(-1);
			if (version === undefined) return undefined;
			try {
				const record = recordIn(await readFile(this.#path(prefix, version), "utf8"));
				if (!record) throw new Error(`${this.#path(prefix, version)} is damaged: remove it`);
				return { record, resourceVersion: String(version) };
			} catch (error) {
				// A newer one came, and this one was removed.
				if (codeOf(error) !== "ENOENT" || attempt === 5) throw error;
			}
		}
	}

	/** Ascending. */
	async #versions(prefix: string): Promise<readonly number[]> {
		const names = await readdir(this.#directory).catch((error: unknown) => {
			if (codeOf(error) === "ENOENT") return [];
			throw error;
		});
		return names
			.filter((name) => name.startsWith(`${prefix}.`))
			.map((name) => name.slice(prefix.length + 1))
			.filter((rest) => /^[1-9]\d*$/.test(rest))
			.map(Number)
			.sort((a, b) => a - b);
	}

	#path(prefix: string, version: number): string {
		return join(this.#directory, `${prefix}.${version}`);
	}

	async #inTurn(run: () => Promise<LeaseOutcome>): Promise<LeaseOutcome> {
		const busyMs = this.#busySinceMs === undefined ? 0 : performance.now() - this.#busySinceMs;
		if (busyMs > hangsAfterMs || this.#waiting >= longestQueue)
			return { ok: false, because: "unreachable", message: `${this.#directory} does not answer` };
		this.#waiting++;
		const turn = this.#last.then(async (): Promise<LeaseOutcome> => {
			this.#busySinceMs = performance.now();
			try {
				return await run();
			} catch (error) {
				return { ok: false, because: "unreachable", message: error instanceof Error ? error.message : String(error) };
			} finally {
				this.#busySinceMs = undefined;
				this.#waiting--;
			}
		});
		this.#last = turn;
		return turn;
	}
}

/** Neither names nor namespaces have a dot at an end; `/` and `..` are no part of a file's name. */
function prefixOf({ namespace, name }: LeaseName): string {
	return [namespace, name].map((part) => encodeURIComponent(part).replaceAll(".", "%2E")).join(".");
}

function recordIn(text: string): LeaseRecord | undefined {
	let read: unknown;
	try {
		read = JSON.parse(text);
	} catch {
		return undefined;
	}
	const record = (typeof read === "object" && read !== null ? read : {}) as Partial<LeaseRecord>;
	if (typeof record.holderIdentity !== "string" || !Number.isFinite(record.leaseDurationSeconds)) return undefined;
	return {
		holderIdentity: record.holderIdentity,
		leaseDurationSeconds: Number(record.leaseDurationSeconds),
		acquireTime: String(record.acquireTime ?? ""),
		renewTime: String(record.renewTime ?? ""),
		leaseTransitions: Number(record.leaseTransitions) || 0,
		reason: String(record.reason ?? ""),
		address: String(record.address ?? ""),
	};
}

function codeOf(error: unknown): unknown {
	return error instanceof Error && "code" in error ? error.code : undefined;
}
