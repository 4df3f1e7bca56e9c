// istio.v1.auth.IstioCertificateService/CreateCertificate on top of the authority. In: one encoded request and who calls.
// Out: the chain, or a refusal with a gRPC status.

import { decodeCreateCertificateRequest, encodeCreateCertificateResponse } from "../certificate-service-codec.ts";
import { parseSpiffeId } from "../spiffe-id.ts";
import type { Authority } from "./authority.ts";

/** Header in which a node names the workload that it asks for, as a SPIFFE id. */
export const workloadIdentityHeader = "keepmesh-workload-identity";

export type CertificateOutcome =
	| { readonly ok: true; readonly message: Uint8Array }
	| { readonly ok: false; readonly grpcStatus: number; readonly because: string };

const invalidArgument = 3;
const permissionDenied = 7;

/**
 * `claimed` is the identity as the caller's transport gives it. On the plaintext port nothing proves it: whoever reaches
 * that port is believed, which is why it is off by default.
 */
export function createCertificate(
	authority: Authority,
	message: Uint8Array,
	claimed: string | undefined,
	trustDomain: string,
): CertificateOutcome {
	const identity = claimed === undefined ? undefined : parseSpiffeId(claimed);
	if (!identity)
		return {
			ok: false,
			grpcStatus: permissionDenied,
			because: `no SPIFFE id in ${workloadIdentityHeader}: ${claimed}`,
		};
	if (identity.trustDomain !== trustDomain)
		return {
			ok: false,
			grpcStatus: permissionDenied,
			because: `${identity.trustDomain} is not the trust domain ${trustDomain}`,
		};
	const request = decode(message);
	if (!request) return { ok: false, grpcStatus: invalidArgument, because: "no IstioCertificateRequest" };
	const signed = authority.sign(request.csr, identity);
	if (!signed.ok) return { ok: false, grpcStatus: invalidArgument, because: signed.because };
	return { ok: true, message: encodeCreateCertificateResponse(signed.chain) };
}

function decode(message: Uint8Array) {
	try {
		return decodeCreateCertificateRequest(message);
	} catch {
		return undefined;
	}
}
