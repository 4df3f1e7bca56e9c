// The TLS secrets that a gateway's servers name -> SDS secrets: the certificate under the secret's own name, its roots
// under the name with `-cacert`, as Istio has it.

import type { SecretView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { encodeResource } from "../encode-resource.ts";
import { SecretSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";

const rootSuffix = "-cacert";

/** SDS names that `generateGatewaySecrets` fills. */
export function gatewaySecretNames(secrets: readonly SecretView[]): ReadonlySet<string> {
	return new Set(secrets.flatMap((secret) => [...(certificateName(secret) ?? []), ...(rootName(secret) ?? [])]));
}

export function generateGatewaySecrets(secrets: readonly SecretView[]): readonly EncodedResource[] {
	const byName = new Map<string, EncodedResource>();
	for (const secret of secrets) {
		for (const name of certificateName(secret) ?? []) byName.set(name, certificate(name, secret));
	}
	// A Secret of its own for the roots goes before the roots inside the certificate's Secret.
	const own = (secret: SecretView): number => (secret.name.endsWith(rootSuffix) ? 0 : 1);
	for (const secret of [...secrets].sort((a, b) => own(a) - own(b))) {
		for (const name of rootName(secret) ?? []) if (!byName.has(name)) byName.set(name, roots(name, secret));
	}
	return [...byName.values()];
}

function certificateName({ name, certificateChain, privateKey }: SecretView): readonly [string] | undefined {
	return certificateChain && privateKey ? [name] : undefined;
}

function rootName({ name, caCertificate }: SecretView): readonly [string] | undefined {
	if (!caCertificate) return undefined;
	return [name.endsWith(rootSuffix) ? name : `${name}${rootSuffix}`];
}

const inline = (text = "") => ({ specifier: { case: "inlineString", value: text } }) as const;

function certificate(name: string, secret: SecretView): EncodedResource {
	return encodeResource(SecretSchema, name, {
		name,
		type: {
			case: "tlsCertificate",
			value: { certificateChain: inline(secret.certificateChain), privateKey: inline(secret.privateKey) },
		},
	});
}

function roots(name: string, secret: SecretView): EncodedResource {
	return encodeResource(SecretSchema, name, {
		name,
		type: { case: "validationContext", value: { trustedCa: inline(secret.caCertificate) } },
	});
}
