// Names of TLS secrets, and the SDS configuration that fetches them: the workload's own from its node, others by ADS. The names are Istio's.

import { create } from "@bufbuild/protobuf";
import { ApiVersion, ConfigSourceSchema } from "../gen/envoy/config/core/v3/config_source_pb.ts";
import type { SdsSecretConfigSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { workloadSecretSource } from "../workload-secret-source.ts";

/** The workload's own certificate, and the roots of the mesh. */
export const workloadCertificateSecret = "default";
export const meshRootSecret = "ROOTCA";

/** `kubernetes://name`: the Secret of a credentialName. */
export function credentialSecret(credentialName: string): string {
	return credentialName.includes("://") ? credentialName : `kubernetes://${credentialName}`;
}

/** The roots that belong to a credential: `kubernetes://name-cacert`. */
export function credentialRootSecret(credentialName: string): string {
	return `${credentialSecret(credentialName)}-cacert`;
}

/** Certificate and key in files that the proxy's node reads. */
export function fileCertificateSecret(certificateFile: string, keyFile: string): string {
	return `file-cert:${certificateFile}~${keyFile}`;
}

/** Roots in a file; `system`: the roots of the operating system. */
export function fileRootSecret(rootFile: string): string {
	return `file-root:${rootFile}`;
}

const overAds = create(ConfigSourceSchema, {
	configSourceSpecifier: { case: "ads", value: {} },
	resourceApiVersion: ApiVersion.V3,
});

export function secretConfig(name: string): MessageFields<typeof SdsSecretConfigSchema> {
	const own = name === workloadCertificateSecret || name === meshRootSecret;
	return { name, sdsConfig: own ? workloadSecretSource : overAds };
}

/** Is it among what the proxy can get? Secrets that are files of the proxy's machine come with the configuration. */
export function isServed(secret: string, served: ReadonlySet<string>): boolean {
	return secret.startsWith("file-") || served.has(secret);
}
