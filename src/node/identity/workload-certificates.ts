// The certificates of the workloads on this machine. Keys are made here and never leave; the control plane only ever sees
// requests. In: which workloads there are. Out: for each proxy a key and a chain, fresh, and kept on disk for a restart.

import {
	decodeCreateCertificateResponse,
	encodeCreateCertificateRequest,
} from "../../identity/certificate-service-codec.ts";
import { renderSpiffeId } from "../../identity/spiffe-id.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type CertifiedKey, certifiedKey, newKey, requestFor } from "./certified-key.ts";
import type { IdentityStore } from "./identity-store.ts";
import { type CertificateStatus, KeptCertificate } from "./kept-certificate.ts";

export interface Workload {
	readonly namespace: string;
	readonly serviceAccount: string;
}

export interface WorkloadCertificatesDeps {
	/** Of the mesh; undefined while the node has not joined it. */
	readonly trustDomain: () => string | undefined;
	/** One CreateCertificate on behalf of a workload; rejects when no control plane does it. */
	readonly createCertificate: (message: Uint8Array, uri: string) => Promise<Uint8Array>;
	readonly store: IdentityStore;
	/** After each new certificate of a proxy. */
	readonly onRenewed: (proxyId: string) => void;
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Log;
}

export class WorkloadCertificates {
	readonly #kept = new Map<string, KeptCertificate>();
	readonly #deps: WorkloadCertificatesDeps;

	constructor(deps: WorkloadCertificatesDeps) {
		this.#deps = deps;
	}

	/** Starts to keep a certificate for a proxy: what is stored serves at once, else it asks at once. Idempotent. */
	add(proxyId: string, workload: Workload): void {
		if (this.#kept.has(proxyId)) return;
		const { store, clock, random, log, onRenewed } = this.#deps;
		const kept: KeptCertificate = new KeptCertificate({
			ask: () => this.#ask(workload),
			onRenewed: (key) => {
				if (this.#kept.get(proxyId) !== kept) return;
				onRenewed(proxyId);
				try {
					store.saveWorkload(proxyId, key);
				} catch (error) {
					log.error({ proxyId, because: String(error) }, "a certificate could not be stored");
				}
			},
			clock,
			random,
			log,
			facts: { certificate: proxyId },
		});
		this.#kept.set(proxyId, kept);
		const stored = store.loadWorkload(proxyId);
		kept.open(stored && this.#isOf(stored, workload) ? stored : undefined);
	}

	remove(proxyId: string): void {
		if (!this.#kept.has(proxyId)) return;
		this.#kept.get(proxyId)?.close();
		this.#kept.delete(proxyId);
		this.#deps.store.removeWorkload(proxyId);
	}

	keyOf(proxyId: string): CertifiedKey | undefined {
		return this.#kept.get(proxyId)?.key;
	}

	/** Renews at once what comes from another issuer. */
	wantIssuer(proxyId: string, issuerKeyId: string): void {
		this.#kept.get(proxyId)?.wantIssuer(issuerKeyId);
	}

	/** Of one proxy, or of all; false when there is no such proxy. */
	renewNow(proxyId: string | undefined): boolean {
		if (proxyId === undefined) for (const kept of this.#kept.values()) kept.renewNow();
		else this.#kept.get(proxyId)?.renewNow();
		return proxyId === undefined || this.#kept.has(proxyId);
	}

	/** The reason why no control plane signed may be gone. */
	nudge(): void {
		for (const kept of this.#kept.values()) kept.nudge();
	}

	statuses(): ReadonlyMap<string, CertificateStatus> {
		return new Map([...this.#kept].map(([proxyId, kept]) => [proxyId, kept.status()]));
	}

	/** What is stored stays. */
	close(): void {
		for (const kept of this.#kept.values()) kept.close();
		this.#kept.clear();
	}

	#isOf(key: CertifiedKey, { namespace, serviceAccount }: Workload): boolean {
		const trustDomain = this.#deps.trustDomain();
		if (trustDomain === undefined) return key.uri.endsWith(`/ns/${namespace}/sa/${serviceAccount}`);
		return key.uri === renderSpiffeId({ trustDomain, namespace, serviceAccount });
	}

	async #ask(workload: Workload): Promise<CertifiedKey> {
		const trustDomain = this.#deps.trustDomain();
		if (trustDomain === undefined) throw new Error("this node has not joined the mesh");
		const uri = renderSpiffeId({ trustDomain, ...workload });
		const keyPem = newKey();
		const message = encodeCreateCertificateRequest({ csr: requestFor(keyPem), validitySeconds: 0 });
		const chain = decodeCreateCertificateResponse(await this.#deps.createCertificate(message, uri));
		const key = certifiedKey(keyPem, chain);
		if (key.uri !== uri) throw new Error(`the authority answered for ${key.uri}`);
		return key;
	}
}
