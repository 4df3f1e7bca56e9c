// The server side of mesh TLS: the workload's own certificate and the mesh's roots, by SDS from the node.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { adsSource } from "../ads-source.ts";
import { packAny } from "../encode-resource.ts";
import { type TransportSocket, TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import { TlsParameters_TlsProtocol } from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { SdsSecretConfigSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { DownstreamTlsContextSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { workloadSecretSource } from "../workload-secret-source.ts";

export const workloadSecretName = "default";
export const rootSecretName = "ROOTCA";

/** What a mesh client offers by ALPN, so that its TLS is told from the application's own. */
export const meshHttpProtocols: readonly string[] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
export const meshTcpProtocols: readonly string[] = ["istio", "istio-peer-exchange"];

export function sdsSecret(name: string): MessageInitShape<typeof SdsSecretConfigSchema> {
	const own = name === workloadSecretName || name === rootSecretName;
	return { name, sdsConfig: own ? workloadSecretSource : adsSource };
}

/** Mutual TLS: client certificates are demanded and must come from the mesh's roots. */
export const inboundMutualTls: TransportSocket = create(TransportSocketSchema, {
	name: "envoy.transport_sockets.tls",
	configType: {
		case: "typedConfig",
		value: packAny(DownstreamTlsContextSchema, {
			requireClientCertificate: true,
			commonTlsContext: {
				alpnProtocols: ["h2", "http/1.1"],
				tlsParams: {
					tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
					tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
				},
				tlsCertificateSdsSecretConfigs: [sdsSecret(workloadSecretName)],
				validationContextType: {
					case: "combinedValidationContext",
					value: {
						defaultValidationContext: {},
						validationContextSdsSecretConfig: sdsSecret(rootSecretName),
					},
				},
			},
		}),
	},
});
