// What a port speaks and what it takes -> the filter chains it needs: Istio's table (pilot's filterchain_options.go).
//
//            STRICT                  PERMISSIVE                                          DISABLE
//   http     TLS: http               mesh ALPN: http; plaintext: http                    http
//   tcp      TLS: tcp                mesh ALPN: tcp; other TLS: as is; plaintext: tcp    tcp
//   sniffed  TLS, HTTP ALPN: http    TLS, HTTP ALPN: http; TLS, TCP ALPN: tcp;           HTTP: http; rest: tcp
//            TLS: tcp                other TLS: as is; plaintext HTTP: http; rest: tcp
//
// Envoy never steps back from a match on the transport, so that every transport that has any chain needs one for all the rest.
// STRICT has the very chains of PERMISSIVE for the mesh's ALPN, and the same inspectors: when the mode changes between the
// two, Envoy only takes chains away or adds some, and connections of the mesh stay.

import type { InboundPort } from "../../model/view.ts";
import type { ChainMatch } from "./filter-chains.ts";
import type { InboundMode } from "./inbound-mode.ts";
import { meshHttpProtocols, meshTcpProtocols } from "./inbound-tls.ts";
import { plainHttpProtocols } from "./listener-filters.ts";

/** `sniffed`: HTTP or not, found out from the first bytes. */
export type InboundSpeech = "http" | "sniffed" | "tcp";

export interface InboundChain {
	readonly match: Pick<ChainMatch, "transport" | "applicationProtocols">;
	readonly mutualTls: boolean;
	/** `closed`: takes the connection and ends it. */
	readonly as: "http" | "tcp" | "closed";
}

const meshProtocols = [...meshHttpProtocols, ...meshTcpProtocols];
const tls = { transport: "tls" } as const;
const raw = { transport: "raw_buffer" } as const;
const secured = (match: InboundChain["match"], as: "http" | "tcp"): InboundChain => ({ match, mutualTls: true, as });
const open = (match: InboundChain["match"], as: InboundChain["as"]): InboundChain => ({ match, mutualTls: false, as });

export function inboundChains(speech: InboundSpeech, mode: InboundMode): readonly InboundChain[] {
	switch (mode) {
		case "CLOSED":
			return [open({}, "closed")];
		case "DISABLE":
			return speech === "sniffed"
				? [open({ applicationProtocols: plainHttpProtocols }, "http"), open({}, "tcp")]
				: [open({}, speech)];
		case "STRICT":
			return [...ofMesh(speech), secured(tls, speech === "http" ? "http" : "tcp")];
		case "PERMISSIVE":
			return [...ofMesh(speech), ...beside(speech)];
		default:
			return mode satisfies never;
	}
}

/** For clients that say by ALPN that they are of the mesh. */
function ofMesh(speech: InboundSpeech): readonly InboundChain[] {
	if (speech !== "sniffed") return [secured({ ...tls, applicationProtocols: meshProtocols }, speech)];
	return [
		secured({ ...tls, applicationProtocols: meshHttpProtocols }, "http"),
		secured({ ...tls, applicationProtocols: meshTcpProtocols }, "tcp"),
	];
}

/** For all others, whose TLS is the application's. */
function beside(speech: InboundSpeech): readonly InboundChain[] {
	switch (speech) {
		case "http":
			return [open(raw, "http")];
		case "tcp":
			return [open(tls, "tcp"), open(raw, "tcp")];
		case "sniffed":
			return [open(tls, "tcp"), open({ ...raw, applicationProtocols: plainHttpProtocols }, "http"), open(raw, "tcp")];
		default:
			return speech satisfies never;
	}
}

export function speechOf({ protocol }: InboundPort): InboundSpeech {
	switch (protocol) {
		case "HTTP":
		case "HTTP2":
		case "GRPC":
		case "GRPC-WEB":
			return "http";
		case "AUTO":
			return "sniffed";
		default:
			return "tcp";
	}
}

/** Must the TLS inspector read the connection before a chain is chosen? */
export function readsTls(mode: InboundMode): boolean {
	return mode === "STRICT" || mode === "PERMISSIVE";
}

/** Must the HTTP inspector? It passes TLS over, so that under STRICT it costs nothing. */
export function readsHttp(speech: InboundSpeech, mode: InboundMode): boolean {
	return speech === "sniffed" && mode !== "CLOSED";
}
