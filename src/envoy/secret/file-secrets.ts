// Secrets that rules name by file: the control plane only says which file; Envoy reads it on its own machine.
// Names are Istio's: `file-cert:CERTIFICATE~KEY`, `file-root:ROOTS`, and `file-root:system` for the roots of the system.

import type { EncodedResource } from "../../xds/resource.ts";
import { encodeResource } from "../encode-resource.ts";
import { SecretSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";

const certificatePrefix = "file-cert:";
const rootPrefix = "file-root:";

/** Where Debian, Ubuntu and Alpine keep the roots of the system. */
const systemRoots = "/etc/ssl/certs/ca-certificates.crt";

/** Names that are not of files are left out. */
export function generateFileSecrets(names: Iterable<string>): readonly EncodedResource[] {
	return [...new Set(names)].flatMap((name) => {
		if (name.startsWith(certificatePrefix)) return certificate(name, name.slice(certificatePrefix.length));
		return name.startsWith(rootPrefix) ? roots(name, name.slice(rootPrefix.length)) : [];
	});
}

const file = (path: string) => ({ specifier: { case: "filename", value: path } }) as const;

function certificate(name: string, files: string): EncodedResource {
	const [chain = "", key = ""] = files.split("~");
	return encodeResource(SecretSchema, name, {
		name,
		type: { case: "tlsCertificate", value: { certificateChain: file(chain), privateKey: file(key) } },
	});
}

function roots(name: string, path: string): EncodedResource {
	const trustedCa = file(path === "system" ? systemRoots : path);
	return encodeResource(SecretSchema, name, { name, type: { case: "validationContext", value: { trustedCa } } });
}
