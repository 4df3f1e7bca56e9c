// Asks the control planes, one after the other, to certify a workload's key.

import { connect } from "node:http2";
import { workloadIdentityHeader } from "../../identity/authority/certificate-service.ts";
import {
	createCertificatePath,
	decodeCreateCertificateResponse,
	encodeCreateCertificateRequest,
} from "../../identity/certificate-service-codec.ts";
import { renderSpiffeId, type SpiffeId } from "../../identity/spiffe-id.ts";
import { callUnary } from "../../xds/wire/unary-service.ts";

const timeoutMs = 5_000;

/** The chain as PEMs, root last. Rejects with every control plane's reason when none of `upstreams` (host:port) signs. */
export async function requestCertificate(
	upstreams: readonly string[],
	requestPem: string,
	identity: SpiffeId,
): Promise<readonly string[]> {
	const message = encodeCreateCertificateRequest({ csr: requestPem, validitySeconds: 0 });
	const reasons: string[] = [];
	for (const upstream of upstreams) {
		try {
			return decodeCreateCertificateResponse(await callOnce(upstream, message, identity));
		} catch (error) {
			reasons.push(`${upstream}: ${error instanceof Error ? error.message : String(error)}`);
		}
	}
	throw new Error(reasons.join("; ") || "no control plane is configured");
}

async function callOnce(upstream: string, message: Uint8Array, identity: SpiffeId): Promise<Uint8Array> {
	const session = connect(`http://${upstream}`);
	const failed = new Promise<never>((_, reject) => {
		session.on("error", reject);
		session.setTimeout(timeoutMs, () => reject(new Error(`no connection within ${timeoutMs} ms`)));
	});
	try {
		const headers = { [workloadIdentityHeader]: renderSpiffeId(identity) };
		return await Promise.race([callUnary(session, createCertificatePath, message, { timeoutMs, headers }), failed]);
	} finally {
		session.destroy();
	}
}
