// DestinationRule tls -> how a cluster's connections are secured: transport socket, SNI and certificate checks.

import type { ClientTls } from "../../resources/kinds/networking.ts";
import { packAny } from "../encode-resource.ts";
import type { Cluster_TransportSocketMatchSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import { ProxyProtocolConfig_Version } from "../gen/envoy/config/core/v3/proxy_protocol_pb.ts";
import { ProxyProtocolUpstreamTransportSchema } from "../gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts";
import { RawBufferSchema } from "../gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import {
	type CertificateValidationContextSchema,
	SubjectAltNameMatcher_SanType,
	type SubjectAltNameMatcherSchema,
	TlsParameters_TlsProtocol,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import {
	type CommonTlsContextSchema,
	UpstreamTlsContextSchema,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import {
	credentialRootSecret,
	credentialSecret,
	fileCertificateSecret,
	fileRootSecret,
	meshRootSecret,
	secretConfig,
	workloadCertificateSecret,
} from "./secret-source.ts";
import type { UpstreamProtocol } from "./upstream-protocol.ts";

export type TransportSocketInit = MessageFields<typeof TransportSocketSchema>;
type CommonTls = MessageFields<typeof CommonTlsContextSchema>;
type ValidationContext = MessageFields<typeof CertificateValidationContextSchema>;

export interface ClientTlsContext {
	/** SNI of mesh traffic to this cluster, where the rule gives none. */
	readonly meshSni: string;
	/** Names that the service's own certificate may carry, where the rule gives none. */
	readonly serviceNames: readonly string[];
	/** The same for the mesh's TLS. Empty: whoever has a certificate of the mesh. */
	readonly meshNames: readonly string[];
	readonly protocol: UpstreamProtocol;
	readonly speaksHttp: boolean;
}

export interface SecuredConnection {
	readonly socket: TransportSocketInit;
	readonly autoSni: boolean;
	readonly autoSanValidation: boolean;
}

/** Undefined: plaintext. */
export function securedConnection(
	tls: ClientTls | undefined,
	context: ClientTlsContext,
): SecuredConnection | undefined {
	const mode = tls?.mode ?? "DISABLE";
	switch (mode) {
		case "DISABLE":
			return undefined;
		case "ISTIO_MUTUAL":
			return { socket: meshTlsSocket(tls, context), autoSni: false, autoSanValidation: false };
		case "SIMPLE":
		case "MUTUAL":
			return originatedTls(tls ?? {}, context);
		default:
			return mode satisfies never;
	}
}

/** The mesh's mutual TLS: the workload's certificate, the mesh's roots, an ALPN that says so to the proxy at the other end. */
export function meshTlsSocket(tls: ClientTls | undefined, context: ClientTlsContext): TransportSocketInit {
	const names = tls?.subjectAltNames?.length ? tls.subjectAltNames : context.meshNames;
	return tlsSocket(tls?.sni || context.meshSni, {
		...commonTls,
		alpnProtocols: meshAlpn(context),
		tlsCertificateSdsSecretConfigs: [secretConfig(workloadCertificateSecret)],
		validationContextType: combinedValidation({ matchTypedSubjectAltNames: nameMatchers(names) }, meshRootSecret),
	});
}

/** Endpoints that say `tlsMode: istio` get mutual TLS, the others plaintext. */
export function autoMtlsMatches(
	context: ClientTlsContext,
): readonly MessageFields<typeof Cluster_TransportSocketMatchSchema>[] {
	return [
		{ name: "tlsMode-istio", match: { tlsMode: "istio" }, transportSocket: meshTlsSocket(undefined, context) },
		{ name: "tlsMode-disabled", match: {}, transportSocket: plaintextSocket() },
	];
}

export function withProxyProtocol(version: "V1" | "V2", inner: TransportSocketInit | undefined): TransportSocketInit {
	return {
		name: "envoy.transport_sockets.upstream_proxy_protocol",
		configType: {
			case: "typedConfig",
			value: packAny(ProxyProtocolUpstreamTransportSchema, {
				config: { version: version === "V2" ? ProxyProtocolConfig_Version.V2 : ProxyProtocolConfig_Version.V1 },
				transportSocket: inner ?? plaintextSocket(),
			}),
		},
	};
}

function plaintextSocket(): TransportSocketInit {
	return {
		name: "envoy.transport_sockets.raw_buffer",
		configType: { case: "typedConfig", value: packAny(RawBufferSchema, {}) },
	};
}

function originatedTls(tls: ClientTls, context: ClientTlsContext): SecuredConnection {
	const skipsChecks = tls.insecureSkipVerify === true;
	const names = tls.subjectAltNames?.length ? tls.subjectAltNames : context.serviceNames;
	return {
		socket: tlsSocket(tls.sni ?? "", {
			...commonTls,
			alpnProtocols: context.protocol === "http2" ? ["h2"] : [],
			tlsCertificateSdsSecretConfigs: clientCertificates(tls).map(secretConfig),
			validationContextType: skipsChecks
				? { case: "validationContext", value: {} }
				: combinedValidation(
						{
							matchTypedSubjectAltNames: nameMatchers(names),
							...(tls.caCrl && { crl: { specifier: { case: "filename", value: tls.caCrl } } }),
						},
						rootSecret(tls),
					),
		}),
		autoSni: !tls.sni,
		autoSanValidation: !tls.sni && names.length === 0 && !skipsChecks,
	};
}

/** Secrets of the rule's client certificate: none for SIMPLE. */
function clientCertificates(tls: ClientTls): readonly string[] {
	if (tls.mode !== "MUTUAL") return [];
	if (tls.credentialName) return [credentialSecret(tls.credentialName)];
	return [fileCertificateSecret(tls.clientCertificate ?? "", tls.privateKey ?? "")];
}

function rootSecret(tls: ClientTls): string {
	return tls.credentialName ? credentialRootSecret(tls.credentialName) : fileRootSecret(tls.caCertificates || "system");
}

/** Names of the secrets that a rule's tls makes a proxy ask for. */
export function clientTlsSecrets(tls: ClientTls | undefined): readonly string[] {
	switch (tls?.mode) {
		case "ISTIO_MUTUAL":
			return [workloadCertificateSecret, meshRootSecret];
		case "SIMPLE":
		case "MUTUAL":
			return [...clientCertificates(tls), ...(tls.insecureSkipVerify ? [] : [rootSecret(tls)])];
		default:
			return [];
	}
}

const commonTls: CommonTls = {
	tlsParams: {
		tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
		tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
	},
};

function tlsSocket(sni: string, commonTlsContext: CommonTls): TransportSocketInit {
	return {
		name: "envoy.transport_sockets.tls",
		configType: {
			case: "typedConfig",
			// Envoy refuses the cluster for a longer name. In the mesh only gateways of other networks look at it.
			value: packAny(UpstreamTlsContextSchema, { commonTlsContext, sni: sni.length > 255 ? "" : sni }),
		},
	};
}

function combinedValidation(
	defaultValidationContext: ValidationContext,
	rootSecretName: string,
): NonNullable<CommonTls["validationContextType"]> {
	return {
		case: "combinedValidationContext",
		value: { defaultValidationContext, validationContextSdsSecretConfig: secretConfig(rootSecretName) },
	};
}

/** Inbound listeners tell mesh HTTP, mesh TCP and foreign TLS apart by it. */
function meshAlpn(context: ClientTlsContext): string[] {
	if (context.protocol === "http2") return ["istio-h2", "istio", "h2"];
	return context.protocol === "default" && context.speaksHttp ? ["istio-http/1.1", "istio", "http/1.1"] : ["istio"];
}

function nameMatchers(names: readonly string[]): MessageFields<typeof SubjectAltNameMatcherSchema>[] {
	return names.map((name) => ({
		sanType: sanType(name),
		matcher: { matchPattern: { case: "exact", value: name } },
	}));
}

function sanType(name: string): SubjectAltNameMatcher_SanType {
	if (name.includes("://")) return SubjectAltNameMatcher_SanType.URI;
	if (/^[\d.]+$/.test(name) || name.includes(":")) return SubjectAltNameMatcher_SanType.IP_ADDRESS;
	return name.includes("@") ? SubjectAltNameMatcher_SanType.EMAIL : SubjectAltNameMatcher_SanType.DNS;
}
