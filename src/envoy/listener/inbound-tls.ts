// The server side of mesh TLS: the workload's own certificate and the mesh's roots, by SDS from the node; clients must show
// a certificate of the mesh's trust domain, or of an alias of it. Settings are Istio's (pilot's BuildInboundTLS).

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import { adsSource } from "../ads-source.ts";
import { packAny } from "../encode-resource.ts";
import { type TransportSocket, TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import {
	SubjectAltNameMatcher_SanType,
	type SubjectAltNameMatcherSchema,
	TlsParameters_TlsProtocol,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { SdsSecretConfigSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { DownstreamTlsContextSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { workloadSecretSource } from "../workload-secret-source.ts";

export const workloadSecretName = "default";
export const rootSecretName = "ROOTCA";

/** What a mesh client offers by ALPN, so that its TLS is told from the application's own. */
export const meshHttpProtocols: readonly string[] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
export const meshTcpProtocols: readonly string[] = ["istio", "istio-peer-exchange"];

/** For TLS 1.2, in order of preference; 1.3 has its own. */
const cipherSuites: readonly string[] = [
	"ECDHE-ECDSA-AES256-GCM-SHA384",
	"ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-AES128-GCM-SHA256",
	"ECDHE-RSA-AES128-GCM-SHA256",
	"AES256-GCM-SHA384",
	"AES128-GCM-SHA256",
];

export function sdsSecret(name: string): MessageInitShape<typeof SdsSecretConfigSchema> {
	const own = name === workloadSecretName || name === rootSecretName;
	return { name, sdsConfig: own ? workloadSecretSource : adsSource };
}

/** Any identity of the mesh: a URI below `spiffe://TRUST-DOMAIN/`. */
export function meshPeerNames(mesh: MeshSettings): MessageFields<typeof SubjectAltNameMatcherSchema>[] {
	return [...new Set([mesh.trustDomain, ...mesh.trustDomainAliases])].map((trustDomain) => ({
		sanType: SubjectAltNameMatcher_SanType.URI,
		matcher: { matchPattern: { case: "prefix", value: `spiffe://${trustDomain}/` } },
	}));
}

const remembered = new WeakMap<MeshSettings, TransportSocket>();

/** Mutual TLS: a client certificate is demanded. */
export function inboundMutualTls(mesh: MeshSettings): TransportSocket {
	const socket = remembered.get(mesh) ?? mutualTls(mesh);
	remembered.set(mesh, socket);
	return socket;
}

function mutualTls(mesh: MeshSettings): TransportSocket {
	return create(TransportSocketSchema, {
		name: "envoy.transport_sockets.tls",
		configType: {
			case: "typedConfig",
			value: packAny(DownstreamTlsContextSchema, {
				requireClientCertificate: true,
				commonTlsContext: {
					// Not the mesh's own protocols: those only choose the chain, and what is spoken inside is one of these.
					alpnProtocols: ["h2", "http/1.1"],
					tlsParams: {
						tlsMinimumProtocolVersion:
							mesh.minTlsVersion === "1.3" ? TlsParameters_TlsProtocol.TLSv1_3 : TlsParameters_TlsProtocol.TLSv1_2,
						tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
						cipherSuites: [...cipherSuites],
					},
					tlsCertificateSdsSecretConfigs: [sdsSecret(workloadSecretName)],
					validationContextType: {
						case: "combinedValidationContext",
						value: {
							defaultValidationContext: { matchTypedSubjectAltNames: meshPeerNames(mesh) },
							validationContextSdsSecretConfig: sdsSecret(rootSecretName),
						},
					},
				},
			}),
		},
	});
}
