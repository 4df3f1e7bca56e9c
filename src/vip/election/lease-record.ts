// What a lease says after it was taken, renewed or released; the same for every store. As client-go's leaderelection writes it.

import type { LeaseClaim, LeaseRecord } from "./lease-store.ts";

/** `at` is RFC 3339. A holder that takes its own lease again counts as no transition. */
export function acquiredRecord(claim: LeaseClaim, before: LeaseRecord | undefined, at: string): LeaseRecord {
	const same = before?.holderIdentity === claim.identity;
	return {
		holderIdentity: claim.identity,
		leaseDurationSeconds: claim.durationSeconds,
		acquireTime: same ? before.acquireTime : at,
		renewTime: at,
		leaseTransitions: before ? before.leaseTransitions + (same ? 0 : 1) : 0,
		reason: claim.reason,
		address: claim.address,
	};
}

export function renewedRecord(claim: LeaseClaim, before: LeaseRecord, at: string): LeaseRecord {
	return {
		...before,
		leaseDurationSeconds: claim.durationSeconds,
		renewTime: at,
		reason: claim.reason,
		address: claim.address,
	};
}

export function releasedRecord(claim: LeaseClaim, before: LeaseRecord, at: string): LeaseRecord {
	return {
		...before,
		holderIdentity: "",
		leaseDurationSeconds: 1,
		renewTime: at,
		reason: `released by ${claim.identity}: ${claim.reason}`,
		address: "",
	};
}
