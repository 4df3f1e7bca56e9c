// TLS settings of a gateway's server -> the transport socket that terminates it, and the secrets that it waits for.

import { create } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { ServerTls } from "../../resources/kinds/networking.ts";
import {
	credentialRootSecret,
	credentialSecret,
	fileCertificateSecret,
	fileRootSecret,
	meshRootSecret,
	workloadCertificateSecret,
} from "../cluster/secret-source.ts";
import { packAny } from "../encode-resource.ts";
import { type TransportSocket, TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import {
	SubjectAltNameMatcher_SanType,
	TlsParameters_TlsProtocol as Version,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import { DownstreamTlsContextSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { meshPeerNames, sdsSecret } from "../listener/inbound-tls.ts";

export interface TerminatedTls {
	readonly socket: TransportSocket;
	/** SDS names without which no handshake succeeds. */
	readonly secrets: readonly string[];
	/** Clients show certificates, or may. */
	readonly clientCertificate: boolean;
}

/** Undefined when the settings name no certificate at all. */
export function terminateTls(
	tls: ServerTls,
	alpnProtocols: readonly string[],
	mesh: MeshSettings,
): TerminatedTls | undefined {
	const certificates = certificateSecrets(tls);
	if (certificates.length === 0) return undefined;
	const mutual = tls.mode === "MUTUAL" || tls.mode === "ISTIO_MUTUAL" || tls.mode === "OPTIONAL_MUTUAL";
	const root = mutual ? rootSecret(tls) : undefined;
	const context = packAny(DownstreamTlsContextSchema, {
		...(mutual && { requireClientCertificate: tls.mode !== "OPTIONAL_MUTUAL" }),
		commonTlsContext: {
			alpnProtocols: [...alpnProtocols],
			tlsParams: {
				tlsMinimumProtocolVersion: versions[tls.minProtocolVersion ?? "TLS_AUTO"] || Version.TLSv1_2,
				tlsMaximumProtocolVersion: versions[tls.maxProtocolVersion ?? "TLS_AUTO"],
				cipherSuites: [...new Set(tls.cipherSuites ?? [])].filter((suite) => knownCipherSuites.has(suite)),
			},
			tlsCertificateSdsSecretConfigs: certificates.map(sdsSecret),
			...(root !== undefined && {
				validationContextType: {
					case: "combinedValidationContext",
					value: {
						defaultValidationContext: {
							matchTypedSubjectAltNames: subjectAltNames(tls, mesh),
							verifyCertificateSpki: [...(tls.verifyCertificateSpki ?? [])],
							verifyCertificateHash: [...(tls.verifyCertificateHash ?? [])],
						},
						validationContextSdsSecretConfig: sdsSecret(root),
					},
				},
			}),
		},
	});
	return {
		socket: create(TransportSocketSchema, {
			name: "envoy.transport_sockets.tls",
			configType: { case: "typedConfig", value: context },
		}),
		secrets: root === undefined ? certificates : [...certificates, root],
		clientCertificate: mutual,
	};
}

function certificateSecrets(tls: ServerTls): readonly string[] {
	if (tls.mode === "ISTIO_MUTUAL") return [workloadCertificateSecret];
	if (tls.credentialNames?.length) return [...new Set(tls.credentialNames.map(credentialSecret))];
	if (tls.credentialName) return [credentialSecret(tls.credentialName)];
	const files = tls.tlsCertificates?.length ? tls.tlsCertificates : [tls];
	return files.flatMap(({ serverCertificate, privateKey }) =>
		serverCertificate && privateKey ? [fileCertificateSecret(serverCertificate, privateKey)] : [],
	);
}

function rootSecret(tls: ServerTls): string | undefined {
	if (tls.mode === "ISTIO_MUTUAL") return meshRootSecret;
	if (tls.caCertCredentialName) return credentialRootSecret(tls.caCertCredentialName);
	const credential = tls.credentialName || tls.credentialNames?.[0];
	if (credential) return credentialRootSecret(credential);
	return tls.caCertificates ? fileRootSecret(tls.caCertificates) : undefined;
}

/** Istio matches these as whole names, whatever kind of name they are. With the mesh's own TLS the default is any of the mesh. */
function subjectAltNames(tls: ServerTls, mesh: MeshSettings) {
	if (tls.mode === "ISTIO_MUTUAL" && !tls.subjectAltNames?.length) return meshPeerNames(mesh);
	return (tls.subjectAltNames ?? []).flatMap((exact) =>
		[SubjectAltNameMatcher_SanType.DNS, SubjectAltNameMatcher_SanType.URI].map((sanType) => ({
			sanType,
			matcher: { matchPattern: { case: "exact" as const, value: exact } },
		})),
	);
}

const versions = {
	TLS_AUTO: Version.TLS_AUTO,
	TLSV1_0: Version.TLSv1_0,
	TLSV1_1: Version.TLSv1_1,
	TLSV1_2: Version.TLSv1_2,
	TLSV1_3: Version.TLSv1_3,
} as const;

/** What Envoy's TLS library takes; any other name would make it refuse the whole listener. */
const knownCipherSuites: ReadonlySet<string> = new Set([
	"ECDHE-ECDSA-AES128-GCM-SHA256",
	"ECDHE-RSA-AES128-GCM-SHA256",
	"ECDHE-ECDSA-AES256-GCM-SHA384",
	"ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305",
	"ECDHE-RSA-CHACHA20-POLY1305",
	"ECDHE-ECDSA-AES128-SHA",
	"ECDHE-RSA-AES128-SHA",
	"ECDHE-ECDSA-AES256-SHA",
	"ECDHE-RSA-AES256-SHA",
	"ECDHE-RSA-AES128-SHA256",
	"AES128-GCM-SHA256",
	"AES256-GCM-SHA384",
	"AES128-SHA",
	"AES256-SHA",
]);
