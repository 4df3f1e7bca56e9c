// What a port speaks and what it takes -> the filter chains it needs: Istio's table (pilot's filterchain_options.go).
//
//            STRICT                  PERMISSIVE                                     DISABLE
//   http     TLS: http               mesh ALPN: http; plaintext: http               http
//   tcp      TLS: tcp                mesh ALPN: tcp; other TLS: as is; plaintext: tcp   tcp
//   sniffed  TLS, HTTP ALPN: http    TLS, HTTP ALPN: http; TLS, TCP ALPN: tcp;      HTTP: http; rest: tcp
//            TLS: tcp                other TLS: as is; plaintext HTTP: http; rest: tcp
//
// Envoy never steps back from a match on the transport, so that every transport that has any chain needs one for all the rest.

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
			return speech === "sniffed"
				? [secured({ ...tls, applicationProtocols: meshHttpProtocols }, "http"), secured(tls, "tcp")]
				: [secured(tls, speech)];
		case "PERMISSIVE":
			return permissive(speech);
		default:
			return mode satisfies never;
	}
}

function permissive(speech: InboundSpeech): readonly InboundChain[] {
	switch (speech) {
		case "http":
			return [secured({ ...tls, applicationProtocols: meshProtocols }, "http"), open(raw, "http")];
		case "tcp":
			return [secured({ ...tls, applicationProtocols: meshProtocols }, "tcp"), open(tls, "tcp"), open(raw, "tcp")];
		case "sniffed":
			return [
				secured({ ...tls, applicationProtocols: meshHttpProtocols }, "http"),
				secured({ ...tls, applicationProtocols: meshTcpProtocols }, "tcp"),
				open(tls, "tcp"),
				open({ ...raw, applicationProtocols: plainHttpProtocols }, "http"),
				open(raw, "tcp"),
			];
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

/** Must the HTTP inspector? Under STRICT the client's ALPN has said it. */
export function readsHttp(speech: InboundSpeech, mode: InboundMode): boolean {
	return speech === "sniffed" && (mode === "PERMISSIVE" || mode === "DISABLE");
}
