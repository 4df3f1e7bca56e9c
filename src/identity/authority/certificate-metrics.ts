// What the authority counts: in its own words, with a reason for each refusal, and under the names that Istio's dashboards
// read (citadel_server_*).

import type { Metrics } from "../../runtime/metrics.ts";

export interface CertificateMetrics {
	/** `reason` is empty for what was issued. */
	count(outcome: "issued" | "refused", reason: string): void;
	/** Seconds since the epoch. */
	rootEnds(atMs: number): void;
	issuerEnds(atMs: number): void;
}

const parsingReasons: ReadonlySet<string> = new Set(["malformed_request", "request_too_long", "unfit_key"]);
const signingReasons: ReadonlySet<string> = new Set(["wrong_signature", "validity_too_long", "issuer_expired"]);

export function certificateMetrics(metrics: Metrics): CertificateMetrics {
	const requests = metrics.counter("keepmesh_ca_requests_total", "Requests for certificates.", ["outcome", "reason"]);
	const received = metrics.counter("citadel_server_csr_count", "Requests for certificates.");
	const issued = metrics.counter("citadel_server_success_cert_issuance_count", "Certificates issued.");
	const unproved = metrics.counter(
		"citadel_server_authentication_failure_count",
		"Requests for certificates whose caller was not proved or not allowed.",
	);
	const unread = metrics.counter(
		"citadel_server_csr_parsing_err_count",
		"Certificate requests that were not understood.",
	);
	const unsigned = metrics.counter("citadel_server_csr_sign_err_count", "Certificates that were not signed.", [
		"error",
	]);
	const root = metrics.gauge(
		"citadel_server_root_cert_expiry_timestamp",
		"When the root ends, in seconds since the epoch.",
	);
	const chain = metrics.gauge(
		"citadel_server_cert_chain_expiry_timestamp",
		"When the certificate that signs ends, in seconds since the epoch.",
	);
	return {
		count(outcome, reason) {
			requests.add(1, { outcome, reason });
			received.add();
			if (outcome === "issued") issued.add();
			else if (parsingReasons.has(reason)) unread.add();
			else if (signingReasons.has(reason)) unsigned.add(1, { error: reason });
			else unproved.add();
		},
		rootEnds: (atMs) => root.set(Math.round(atMs / 1000)),
		issuerEnds: (atMs) => chain.set(Math.round(atMs / 1000)),
	};
}
