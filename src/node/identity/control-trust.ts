// Which control planes this node talks to: those whose chain ends in a root that it trusts and whose certificate names a
// control plane of its trust domain. Host names prove nothing here. Before it has joined, the token says which root.

import { createHash, X509Certificate } from "node:crypto";
import type { SecureClientSessionOptions } from "node:http2";
import { connect, type DetailedPeerCertificate, type PeerCertificate, type TLSSocket } from "node:tls";
import { parsePartId } from "../../identity/spiffe-id.ts";
import type { CertifiedKey } from "./certified-key.ts";

export interface HostPort {
	readonly host: string;
	readonly port: number;
}

export interface ControlTrust {
	/** PEM. */
	readonly roots: readonly string[];
	/** Absent while it joins: then the control plane says it. */
	readonly trustDomain?: string;
	/** What this side proves itself with; absent while it joins. */
	readonly own?: Pick<CertifiedKey, "keyPem" | "chainPem">;
}

export function tlsToControl({ roots, trustDomain, own }: ControlTrust): SecureClientSessionOptions {
	return {
		ca: [...roots],
		minVersion: "TLSv1.2",
		rejectUnauthorized: true,
		checkServerIdentity: (_, certificate) => strangerIn(certificate, trustDomain),
		...(own && { key: own.keyPem, cert: own.chainPem }),
	};
}

/** The reason why a certificate is no control plane's. */
function strangerIn(certificate: PeerCertificate, trustDomain: string | undefined): Error | undefined {
	const names = certificate.subjectaltname ?? "";
	const uris = names.split(", ").flatMap((name) => (name.startsWith("URI:") ? [name.slice(4)] : []));
	const ids = uris.flatMap((uri) => parsePartId(uri) ?? []);
	const fits = ids.some((id) => id.part === "control" && (trustDomain === undefined || id.trustDomain === trustDomain));
	const wanted = `a control plane${trustDomain === undefined ? "" : ` of ${trustDomain}`}`;
	return fits ? undefined : new Error(`the server is not ${wanted}: its certificate names ${names || "nobody"}`);
}

const timeoutMs = 3_000;

/**
 * PEM of the root that the server says it has, if its key is the one that was named. Nothing is verified here but that:
 * the caller connects again, trusting this root alone.
 */
export function fetchRoot(server: HostPort, rootHash: string): Promise<string> {
	return new Promise((resolve, reject) => {
		// Only to see its chain: nothing is sent to it.
		const socket: TLSSocket = connect({ ...server, ALPNProtocols: ["h2"], rejectUnauthorized: false }, () => {
			let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
			let found: string | undefined;
			for (let depth = 0; certificate?.raw && depth < 8 && found === undefined; depth++) {
				const read = new X509Certificate(certificate.raw);
				if (rootHashOf(read) === rootHash) found = read.toString();
				const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
				certificate = issuer === certificate ? undefined : issuer;
			}
			socket.destroy();
			if (found === undefined) reject(new Error("it does not have the root that the join token names"));
			else resolve(found);
		});
		socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)));
		socket.on("error", reject);
		socket.on("close", () => reject(new Error("it closed the connection")));
	});
}

export function rootHashOf(root: X509Certificate): string {
	return createHash("sha256")
		.update(root.publicKey.export({ type: "spki", format: "der" }))
		.digest("base64url");
}
