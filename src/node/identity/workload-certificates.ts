// The certificates of the workloads on this machine. Keys are made here and never leave; the control plane only ever sees
// requests. In: which workloads there are. Out: for each proxy the SDS secrets `default` and `ROOTCA`, renewed at half life.

import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { publicKeyDer, signerOf } from "../../identity/authority/signing-key.ts";
import { pemFromDer, signCertificateRequest } from "../../identity/certificate-request.ts";
import { planRotation, retryDelayMs } from "../../identity/rotation-plan.ts";
import { renderSpiffeId, type SpiffeId } from "../../identity/spiffe-id.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

export interface WorkloadCertificate {
	readonly identity: SpiffeId;
	/** PEM, leaf first, without the root. */
	readonly chainPem: string;
	readonly keyPem: string;
	readonly rootPem: string;
	readonly notAfterMs: number;
}

export interface WorkloadCertificatesDeps {
	/** Has a request signed by a control plane; rejects when none answers. */
	readonly requestCertificate: (requestPem: string, identity: SpiffeId) => Promise<readonly string[]>;
	/** Called after each new certificate of a proxy. */
	readonly onRenewed: (proxyId: string) => void;
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Log;
}

interface Workload {
	readonly identity: SpiffeId;
	certificate?: WorkloadCertificate;
	failures: number;
	cancel: Cancel;
}

export class WorkloadCertificates {
	readonly #workloads = new Map<string, Workload>();
	readonly #deps: WorkloadCertificatesDeps;

	constructor(deps: WorkloadCertificatesDeps) {
		this.#deps = deps;
	}

	/** Starts to keep a certificate for a proxy. Idempotent; asks at once. */
	add(proxyId: string, identity: SpiffeId): void {
		if (this.#workloads.has(proxyId)) return;
		const workload: Workload = { identity, failures: 0, cancel: () => {} };
		this.#workloads.set(proxyId, workload);
		void this.#renew(proxyId, workload);
	}

	remove(proxyId: string): void {
		this.#workloads.get(proxyId)?.cancel();
		this.#workloads.delete(proxyId);
	}

	certificateOf(proxyId: string): WorkloadCertificate | undefined {
		return this.#workloads.get(proxyId)?.certificate;
	}

	close(): void {
		for (const proxyId of [...this.#workloads.keys()]) this.remove(proxyId);
	}

	async #renew(proxyId: string, workload: Workload): Promise<void> {
		const { clock, log, random } = this.#deps;
		const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
		const request = signCertificateRequest(publicKeyDer(privateKey), signerOf(privateKey));
		const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
		try {
			const chain = await this.#deps.requestCertificate(pemFromDer("CERTIFICATE REQUEST", request), workload.identity);
			if (this.#workloads.get(proxyId) !== workload) return;
			workload.certificate = acceptChain(chain, keyPem, workload.identity);
			workload.failures = 0;
			const leaf = new X509Certificate(chain[0] ?? "");
			const plan = planRotation(Date.parse(leaf.validFrom), Date.parse(leaf.validTo), random());
			workload.cancel = clock.after(
				Math.max(1000, plan.renewAtMs - clock.wallMs()),
				() => void this.#renew(proxyId, workload),
			);
			this.#deps.onRenewed(proxyId);
		} catch (error) {
			if (this.#workloads.get(proxyId) !== workload) return;
			workload.failures++;
			const delayMs = retryDelayMs(workload.failures, random());
			log.warn(
				{ proxyId, failures: workload.failures, retryInMs: Math.round(delayMs), because: String(error) },
				"no certificate yet",
			);
			workload.cancel = clock.after(delayMs, () => void this.#renew(proxyId, workload));
		}
	}
}

/** Checks that what came back is for our key and our name before it replaces anything. */
function acceptChain(chain: readonly string[], keyPem: string, identity: SpiffeId): WorkloadCertificate {
	const rootPem = chain.at(-1);
	const leafPem = chain[0];
	if (!rootPem || !leafPem || chain.length < 2) throw new Error("the authority answered without a chain");
	const leaf = new X509Certificate(leafPem);
	if (leaf.subjectAltName !== `URI:${renderSpiffeId(identity)}`)
		throw new Error(`the authority answered for ${leaf.subjectAltName}`);
	if (!leaf.checkPrivateKey(createPrivateKey(keyPem))) throw new Error("the authority answered for another key");
	return { identity, chainPem: chain.slice(0, -1).join(""), keyPem, rootPem, notAfterMs: Date.parse(leaf.validTo) };
}
