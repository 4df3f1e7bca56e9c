// A Lease of coordination.k8s.io/v1 as an election reads and writes it. In: who holds it and when; out: the object, and back.

import type { RawObject } from "../client/api-object.ts";

export interface LeaseRecord {
	/** Empty: nobody. */
	readonly holder: string;
	readonly leaseMs: number;
	/** As the holder's clock has it: only that it changes counts. */
	readonly renewTime: string;
	readonly acquireTime: string;
	/** How often it went from one holder to another. */
	readonly transitions: number;
}

export interface SeenLease {
	readonly record: LeaseRecord;
	readonly resourceVersion: string;
}

interface LeaseSpec {
	readonly holderIdentity?: string | null;
	readonly leaseDurationSeconds?: number | null;
	readonly acquireTime?: string | null;
	readonly renewTime?: string | null;
	readonly leaseTransitions?: number | null;
}

export function readLease(raw: RawObject): SeenLease {
	const spec = (raw.spec ?? {}) as LeaseSpec;
	return {
		resourceVersion: raw.metadata.resourceVersion,
		record: {
			holder: spec.holderIdentity ?? "",
			leaseMs: (spec.leaseDurationSeconds ?? 0) * 1000,
			renewTime: spec.renewTime ?? "",
			acquireTime: spec.acquireTime ?? "",
			transitions: spec.leaseTransitions ?? 0,
		},
	};
}

/** `resourceVersion`: of the Lease that it replaces; absent: it is to be created. */
export function renderLease(namespace: string, name: string, record: LeaseRecord, resourceVersion?: string): object {
	return {
		apiVersion: "coordination.k8s.io/v1",
		kind: "Lease",
		metadata: { namespace, name, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
		spec: {
			holderIdentity: record.holder,
			leaseDurationSeconds: Math.max(1, Math.ceil(record.leaseMs / 1000)),
			acquireTime: record.acquireTime,
			renewTime: record.renewTime,
			leaseTransitions: record.transitions,
		},
	};
}

/** Kubernetes' MicroTime. */
export function microTime(wallMs: number): string {
	return new Date(wallMs).toISOString().replace("Z", "000Z");
}
