// Leases of coordination.k8s.io/v1 as the store of an election. What the API server answers is told apart: somebody was quicker, or
// it could not be done.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import { leases } from "../../kubernetes/client/api-resources.ts";
import { type ApiMethod, type KubernetesClient, TransportError } from "../../kubernetes/client/kubernetes-client.ts";
import { Refused } from "../../kubernetes/client/refused.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { microTime } from "../../kubernetes/election/lease-record.ts";
import { acquiredRecord, releasedRecord, renewedRecord } from "../../vip/election/lease-record.ts";
import type {
	LeaseClaim,
	LeaseName,
	LeaseOutcome,
	LeaseRecord,
	LeaseStore,
	StoredLease,
} from "../../vip/election/lease-store.ts";

const timeoutMs = 5000;
const reasonAnnotation = "keepmesh.io/reason";
const addressAnnotation = "keepmesh.io/address";

export class KubernetesLeaseStore implements LeaseStore {
	readonly #client: KubernetesClient;
	readonly #wallMs: () => number;

	constructor(client: KubernetesClient, wallMs: () => number) {
		this.#client = client;
		this.#wallMs = wallMs;
	}

	read({ namespace, name }: LeaseName): Promise<LeaseOutcome> {
		return this.#ask("GET", pathOf(leases, namespace, name));
	}

	acquire(name: LeaseName, claim: LeaseClaim, seen: StoredLease | undefined): Promise<LeaseOutcome> {
		return this.#write(name, seen, acquiredRecord(claim, seen?.record, this.#now()));
	}

	renew(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		return this.#write(name, seen, renewedRecord(claim, seen.record, this.#now()));
	}

	release(name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		return this.#write(name, seen, releasedRecord(claim, seen.record, this.#now()));
	}

	#write({ namespace, name }: LeaseName, seen: StoredLease | undefined, record: LeaseRecord): Promise<LeaseOutcome> {
		const body = {
			apiVersion: "coordination.k8s.io/v1",
			kind: "Lease",
			metadata: {
				namespace,
				name,
				...(seen ? { resourceVersion: seen.resourceVersion } : {}),
				annotations: { [reasonAnnotation]: record.reason, [addressAnnotation]: record.address },
			},
			spec: {
				holderIdentity: record.holderIdentity,
				leaseDurationSeconds: record.leaseDurationSeconds,
				acquireTime: record.acquireTime,
				renewTime: record.renewTime,
				leaseTransitions: record.leaseTransitions,
			},
		};
		if (seen) return this.#ask("PUT", pathOf(leases, namespace, name), body);
		return this.#ask("POST", pathOf(leases, namespace), body);
	}

	async #ask(method: ApiMethod, path: string, body?: object): Promise<LeaseOutcome> {
		try {
			const answer = await this.#client.request(method, path, { timeoutMs, ...(body ? { body } : {}) });
			if (answer.status < 300) return { ok: true, lease: storedIn(answer.body as RawObject) };
			if (method === "GET" && answer.status === 404) return { ok: true, lease: undefined };
			// One that was deleted meanwhile is a change as well.
			const isChange = answer.status === 409 || (method === "PUT" && answer.status === 404);
			return { ok: false, because: isChange ? "conflict" : "unreachable", message: Refused.of(answer).message };
		} catch (error) {
			if (!(error instanceof TransportError)) throw error;
			return { ok: false, because: "unreachable", message: error.message };
		}
	}

	#now(): string {
		return microTime(this.#wallMs());
	}
}

function storedIn({ metadata, spec }: RawObject): StoredLease {
	const read = (spec ?? {}) as Partial<Record<keyof LeaseRecord, string | number | null>>;
	const annotations = metadata.annotations ?? {};
	return {
		resourceVersion: metadata.resourceVersion,
		record: {
			holderIdentity: String(read.holderIdentity ?? ""),
			leaseDurationSeconds: Number(read.leaseDurationSeconds ?? 0),
			acquireTime: String(read.acquireTime ?? ""),
			renewTime: String(read.renewTime ?? ""),
			leaseTransitions: Number(read.leaseTransitions ?? 0),
			reason: annotations[reasonAnnotation] ?? "",
			address: annotations[addressAnnotation] ?? "",
		},
	};
}
