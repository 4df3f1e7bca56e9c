// TLS of a listening server: which certificate fields go with which mode. Gateways, and the ingress of Sidecars.

import type { Findings, Path } from "../findings.ts";
import type { ServerTls } from "../kinds/networking.ts";

/** BoringSSL's names, which Envoy takes for TLS up to 1.2. */
const cipherSuites = new Set(
	(
		"ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 " +
		"ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 " +
		"ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA " +
		"ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 ECDHE-PSK-AES128-CBC-SHA ECDHE-PSK-AES256-CBC-SHA " +
		"ECDHE-PSK-CHACHA20-POLY1305 AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA AES256-SHA PSK-AES128-CBC-SHA " +
		"PSK-AES256-CBC-SHA DES-CBC3-SHA"
	).split(" "),
);

const fileFields = ["serverCertificate", "privateKey", "caCertificates"] as const;
const certificateFields = [
	...fileFields,
	"caCrl",
	"credentialName",
	"credentialNames",
	"tlsCertificates",
	"caCertCredentialName",
] as const;

export function checkServerTls(tls: ServerTls | undefined, path: Path, findings: Findings): void {
	if (!tls) return;
	const { mode } = tls;
	checkCiphers(tls, path, findings);
	checkVersions(tls, path, findings);
	checkCredentials(tls, path, findings);
	if (mode === "ISTIO_MUTUAL") {
		for (const field of certificateFields)
			if (isSet(tls[field]))
				findings.error(
					[...path, field],
					`mode ISTIO_MUTUAL uses the mesh's own certificates, not ${field}`,
					"remove it, or use mode MUTUAL",
				);
	} else if (mode === "PASSTHROUGH" || mode === "AUTO_PASSTHROUGH") {
		for (const field of certificateFields)
			if (isSet(tls[field]))
				findings.warning(
					[...path, field],
					`mode ${mode} ends no TLS: ${field} is ignored`,
					"remove it, or use mode SIMPLE",
				);
	} else if (mode === "SIMPLE" || mode === "MUTUAL" || mode === "OPTIONAL_MUTUAL")
		checkFiles(tls, mode, path, findings);
}

function isSet(value: unknown): boolean {
	return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== "";
}

function checkFiles(tls: ServerTls, mode: string, path: Path, findings: Findings): void {
	if (isSet(tls.credentialName) || isSet(tls.credentialNames)) {
		if (tls.caCrl)
			findings.error([...path, "caCrl"], "caCrl and credentialName exclude each other", "put ca.crl into the secret");
		return;
	}
	const needed = mode === "SIMPLE" ? fileFields.slice(0, 2) : fileFields;
	for (const field of needed) {
		const inList = field !== "caCertificates" && isSet(tls.tlsCertificates);
		if (!isSet(tls[field]) && !inList && !(field === "caCertificates" && isSet(tls.caCertCredentialName)))
			findings.error(
				[...path, field],
				`mode ${mode} needs ${field}`,
				`add credentialName with the name of a secret, or ${field}`,
			);
	}
	if (mode === "SIMPLE" && tls.caCrl)
		findings.error(
			[...path, "caCrl"],
			"mode SIMPLE asks for no client certificates to revoke",
			"remove it, or use mode MUTUAL",
		);
}

/** At most one way to name certificates. */
function checkCredentials(tls: ServerTls, path: Path, findings: Findings): void {
	if (isSet(tls.credentialName) && isSet(tls.credentialNames))
		findings.error(path, "credentialName and credentialNames exclude each other", "keep credentialNames");
	if (isSet(tls.tlsCertificates) && (tls.serverCertificate || tls.privateKey))
		findings.error(path, "tlsCertificates and serverCertificate exclude each other", "keep one of them");
}

function checkCiphers(tls: ServerTls, path: Path, findings: Findings): void {
	const seen = new Set<string>();
	for (const [index, cipher] of (tls.cipherSuites ?? []).entries()) {
		const at = [...path, "cipherSuites", index];
		if (!cipherSuites.has(cipher))
			findings.warning(
				at,
				`${JSON.stringify(cipher)} is not a known cipher suite: it is ignored`,
				"for example ECDHE-RSA-AES128-GCM-SHA256",
			);
		else if (seen.has(cipher)) findings.warning(at, `${cipher} is there twice`, "remove one");
		seen.add(cipher);
	}
}

const versions = ["TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"];

function checkVersions(tls: ServerTls, path: Path, findings: Findings): void {
	const { minProtocolVersion: low, maxProtocolVersion: high } = tls;
	if ((low === "TLSV1_0" || low === "TLSV1_1") && !tls.cipherSuites?.length)
		findings.warning(
			[...path, "minProtocolVersion"],
			`${low} needs ciphers that are off by default`,
			"add cipherSuites, or use TLSV1_2",
		);
	if (low && high && versions.includes(high) && versions.indexOf(low) > versions.indexOf(high))
		findings.error([...path, "maxProtocolVersion"], `${high} is older than the minimum ${low}`, "raise it");
}
