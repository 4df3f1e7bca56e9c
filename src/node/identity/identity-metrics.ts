// The state of this node's certificates as metrics, Prometheus' text format.

import type { CertificateStatus } from "./kept-certificate.ts";

/** `statuses`: by the name under which a certificate is told, `node` or a proxy's id. */
export function renderIdentityMetrics(
	statuses: ReadonlyMap<string, CertificateStatus>,
	pendingBundles: number,
	nowMs: number,
): string {
	const lines: string[] = [];
	const family = (
		name: string,
		type: string,
		help: string,
		measure: (status: CertificateStatus) => number | undefined,
	) => {
		lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
		for (const [certificate, status] of statuses) {
			const value = measure(status);
			if (value !== undefined) lines.push(`${name}{certificate="${certificate}"} ${value}`);
		}
	};
	family(
		"keepmesh_certificate_expiry_seconds",
		"gauge",
		"Until a certificate expires; negative once it has.",
		(status) => (status.notAfter === undefined ? undefined : Math.round((Date.parse(status.notAfter) - nowMs) / 1000)),
	);
	family(
		"keepmesh_certificate_renewal_failures_total",
		"counter",
		"Attempts to get or renew a certificate that failed.",
		(status) => status.failedRenewals,
	);
	family("keepmesh_certificate_usable", "gauge", "1 while a certificate is there and valid.", ({ state }) =>
		state === "good" || state === "expiring" ? 1 : 0,
	);
	lines.push(
		"# HELP keepmesh_trust_bundles_pending Proxies that do not use the trust bundle that was sent for them yet.",
		"# TYPE keepmesh_trust_bundles_pending gauge",
		`keepmesh_trust_bundles_pending ${pendingBundles}`,
	);
	return `${lines.join("\n")}\n`;
}
