// A workload's certificate as the two SDS secrets that mesh TLS contexts name: `default` and `ROOTCA`, Istio's names.

import { type EncodedResource, type ProxyConfig, typeUrls } from "../../xds/resource.ts";
import { encodeResource, resourcePart } from "../encode-resource.ts";
import { SecretSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";

/** PEM texts. */
export interface WorkloadKeyPair {
	readonly chainPem: string;
	readonly keyPem: string;
	readonly rootPem: string;
	/** Revocation lists. With any, a certificate whose issuer has none is refused, as is every one once a list expires. */
	readonly crlPem?: string;
}

export function workloadSecrets(pair: WorkloadKeyPair): ProxyConfig {
	const inline = (text: string) => ({ specifier: { case: "inlineString", value: text } }) as const;
	// Of the leaf alone: to look at the whole chain, Envoy demands a list of every authority in it, the root included.
	const revocation = pair.crlPem ? { crl: inline(pair.crlPem), onlyVerifyLeafCertCrl: true } : {};
	const secrets: readonly EncodedResource[] = [
		encodeResource(SecretSchema, "default", {
			name: "default",
			type: {
				case: "tlsCertificate",
				value: { certificateChain: inline(pair.chainPem), privateKey: inline(pair.keyPem) },
			},
		}),
		encodeResource(SecretSchema, "ROOTCA", {
			name: "ROOTCA",
			type: { case: "validationContext", value: { trustedCa: inline(pair.rootPem), ...revocation } },
		}),
	];
	return new Map([[typeUrls.secret, { typeUrl: typeUrls.secret, parts: [resourcePart(secrets)] }]]);
}
