// Where leases are kept: a directory that nodes share, Kubernetes' API server. The shape is that of a Lease of
// coordination.k8s.io/v1. Each change names the version that was seen, and is refused when there is another by now.

export interface LeaseName {
	readonly namespace: string;
	readonly name: string;
}

/** Names of coordination.k8s.io/v1 LeaseSpec; the last two are annotations there. */
export interface LeaseRecord {
	/** Empty: nobody. */
	readonly holderIdentity: string;
	readonly leaseDurationSeconds: number;
	/** RFC 3339, by the clock of the writer. Never compared with another clock: only a change of it counts. */
	readonly acquireTime: string;
	readonly renewTime: string;
	/** How often another one became the holder. */
	readonly leaseTransitions: number;
	/** `keepmesh.io/reason`: why the holder wanted it. */
	readonly reason: string;
	/** `keepmesh.io/address`: where the holder's adverts come from. */
	readonly address: string;
}

export interface StoredLease {
	readonly record: LeaseRecord;
	/** Another one after each change. */
	readonly resourceVersion: string;
}

/** What a node writes of itself. */
export interface LeaseClaim {
	readonly identity: string;
	readonly durationSeconds: number;
	readonly reason: string;
	readonly address: string;
}

export type LeaseOutcome =
	/** Undefined: there is none yet. */
	| { readonly ok: true; readonly lease: StoredLease | undefined }
	/** Somebody else changed it meanwhile. */
	| { readonly ok: false; readonly because: "conflict"; readonly message: string }
	| { readonly ok: false; readonly because: "unreachable"; readonly message: string };

/** None of these throws. They may take as long as they like, or never end: the caller stops waiting. */
export interface LeaseStore {
	read(name: LeaseName): Promise<LeaseOutcome>;
	/** `seen` is what was read last; undefined: there was none. Whether it may be taken is the caller's decision. */
	acquire(name: LeaseName, claim: LeaseClaim, seen: StoredLease | undefined): Promise<LeaseOutcome>;
	/** Of the holder. */
	renew(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome>;
	/** Of the holder: free for anybody at once. */
	release(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome>;
}
