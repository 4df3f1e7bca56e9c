// Which certificates this replica has issued and that are still in force: the newest of each identity and asker, bounded.

export interface IssuedCertificate {
	/** SPIFFE id. */
	readonly identity: string;
	/** Lower-case hex. */
	readonly serial: string;
	/** Subject key id of the issuer, lower-case hex. */
	readonly issuerKeyId: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** Who asked: a node's name, the workload itself, a join token's or bearer token's holder. */
	readonly issuedTo: string;
}

const mostKept = 50_000;

export class IssuedLedger {
	readonly #byHolder = new Map<string, IssuedCertificate>();

	record(issued: IssuedCertificate): void {
		const holder = `${issued.issuedTo} ${issued.identity}`;
		// The oldest entry stands first.
		this.#byHolder.delete(holder);
		this.#byHolder.set(holder, issued);
		const oldest = this.#byHolder.keys().next();
		if (this.#byHolder.size > mostKept && !oldest.done) this.#byHolder.delete(oldest.value);
	}

	/** Sorted by identity. Those that have expired are forgotten. */
	list(nowMs: number): readonly IssuedCertificate[] {
		for (const [holder, { notAfterMs }] of this.#byHolder) if (notAfterMs <= nowMs) this.#byHolder.delete(holder);
		return [...this.#byHolder.values()].sort((a, b) =>
			a.identity === b.identity ? compare(a.issuedTo, b.issuedTo) : compare(a.identity, b.identity),
		);
	}
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
