// Who is at the other end of a TLS connection. OpenSSL verifies the certificate while the connection is made (chain, times,
// purpose); here it is read, and looked at again for each call: a connection may outlive its certificate, or its root.

import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import { readCertificate } from "../../identity/certificate-reader.ts";
import type { Peer } from "./config-source.ts";

/** Reason why a chain that OpenSSL accepted is refused now; DER, leaf first, the root last. */
export type ChainCheck = (chain: readonly Uint8Array[]) => string | undefined;

interface ShownCertificate {
	readonly chain: readonly Uint8Array[];
	readonly uri: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** Read once for each connection. */
export class TlsPeer {
	readonly #address: string;
	readonly #shown: ShownCertificate | { readonly refused: string } | undefined;

	constructor(socket: TLSSocket) {
		this.#address = socket.remoteAddress ?? "unknown";
		this.#shown = shownBy(socket);
	}

	/** The peer as things are at this moment. */
	at(wallMs: number, check?: ChainCheck): Peer {
		const address = this.#address;
		const shown = this.#shown;
		if (!shown) return { address };
		if ("refused" in shown) return { address, refusedCertificate: shown.refused };
		const because =
			wallMs >= shown.notAfterMs
				? `it expired at ${new Date(shown.notAfterMs).toISOString()}; it is ${new Date(wallMs).toISOString()} here`
				: check?.(shown.chain);
		return because === undefined ? { address, uri: shown.uri } : { address, refusedCertificate: because };
	}
}

function shownBy(socket: TLSSocket): ShownCertificate | { readonly refused: string } | undefined {
	const chain = chainOf(socket.getPeerCertificate(true));
	const [leaf] = chain;
	if (!leaf) return undefined;
	if (!socket.authorized) return { refused: reasonOf(socket.authorizationError) };
	const facts = readCertificate(leaf);
	const [uri, ...others] = facts?.uris ?? [];
	if (!facts || facts.isAuthority || uri === undefined || others.length > 0)
		return { refused: "it is not the certificate of one SPIFFE identity" };
	return { chain, uri, notBeforeMs: facts.notBeforeMs, notAfterMs: facts.notAfterMs };
}

/** As OpenSSL put it together, root included. */
function chainOf(first: DetailedPeerCertificate | undefined): readonly Uint8Array[] {
	const chain: Uint8Array[] = [];
	let current = first;
	while (current?.raw && chain.length < 10) {
		chain.push(current.raw);
		current = current.issuerCertificate === current ? undefined : current.issuerCertificate;
	}
	return chain;
}

/** Node's types say Error; it is OpenSSL's code, as text. */
function reasonOf(error: unknown): string {
	const code = error instanceof Error ? error.message : String(error);
	const words: Readonly<Record<string, string>> = {
		CERT_HAS_EXPIRED: "it has expired",
		CERT_NOT_YET_VALID: "it is not valid yet: compare the clocks",
		UNABLE_TO_VERIFY_LEAF_SIGNATURE: "no root of this mesh verifies it",
		UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "no root of this mesh verifies it",
		SELF_SIGNED_CERT_IN_CHAIN: "its root is not one of this mesh",
		DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed",
		INVALID_PURPOSE: "it is not meant for clients",
	};
	return words[code] ?? code;
}
