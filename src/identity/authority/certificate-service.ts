// istio.v1.auth.IstioCertificateService/CreateCertificate on top of the authority. In: one encoded request and what the
// connection proved of the caller. Out: the chain, or a refusal with a gRPC status; every outcome is counted, what was issued
// is in the ledger.

import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import {
	type CreateCertificateRequest,
	decodeCreateCertificateRequest,
	encodeCreateCertificateResponse,
} from "../certificate-service-codec.ts";
import { RateLimit } from "../rate-limit.ts";
import { renderIdentity, type SpiffeId } from "../spiffe-id.ts";
import type { Authority } from "./authority.ts";
import { type CertificateMetrics, certificateMetrics } from "./certificate-metrics.ts";
import { checkRequest } from "./check-request.ts";
import { type Caller, type CallerDeps, type CallerRefusal, grpcStatus, identifyCaller } from "./identify-caller.ts";
import { IssuedLedger } from "./issued-ledger.ts";
import { JoinTokens } from "./join-tokens.ts";
import { NodeRegistrations } from "./node-registrations.ts";
import type { ServiceAccountTokens, TokenOutcome } from "./service-account-tokens.ts";

/** Header in which a node names the workload that it asks for, as a SPIFFE id. */
export const workloadIdentityHeader = "keepmesh-workload-identity";

export type CertificateOutcome =
	| { readonly ok: true; readonly message: Uint8Array }
	| { readonly ok: false; readonly grpcStatus: number; readonly because: string };

export interface CertificateCall {
	readonly message: Uint8Array;
	readonly peer: {
		readonly address: string;
		readonly uri?: string;
		readonly refusedCertificate?: string;
		/** No certificate proves the URI, and none is asked for: an experiment in plaintext. */
		readonly isBelieved?: boolean;
	};
	/** Lower case. */
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	/** What was found out of its bearer token before. */
	readonly reviewed?: TokenOutcome;
}

/** What is known of tokens and nodes; a transaction's copy of it, where that is not a directory of all replicas. */
export interface KnownNodes {
	readonly tokens: JoinTokens;
	readonly registrations: NodeRegistrations;
}

export interface CertificateServiceDeps {
	readonly authority: Authority;
	/** A resource places the workload on the node. Grants of its registration count as well, and need not be answered for. */
	readonly isOnNode: (node: string, workload: SpiffeId) => boolean;
	readonly serviceAccountTokens?: ServiceAccountTokens;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
}

/** Largest request message; the certificate request in it may be a quarter of that. */
export const longestCallBytes = 65_536;

/** A node that starts with a thousand pods is not held up; one that asks without end does not starve the others. */
const askerLimit = { perSecond: 50, burst: 1_000 };
const strangerLimit = { perSecond: 5, burst: 100 };
/** A machine that was off for a week-end comes back without a new join token. */
const nodeTtlSeconds = 7 * 86_400;

export class CertificateService {
	readonly ledger = new IssuedLedger();
	readonly tokens: JoinTokens;
	readonly registrations: NodeRegistrations;
	readonly #deps: CertificateServiceDeps;
	readonly #metrics: CertificateMetrics;
	readonly #askers = new RateLimit(askerLimit);
	readonly #strangers = new RateLimit(strangerLimit);

	constructor(deps: CertificateServiceDeps) {
		this.#deps = deps;
		this.#metrics = certificateMetrics(deps.metrics);
		this.tokens = new JoinTokens(deps.authority.directory);
		this.registrations = new NodeRegistrations(deps.authority.directory, (because) =>
			deps.log.error({ because }, "a node's registration cannot be read; what was known of it stays"),
		);
		this.#countEnds();
		deps.authority.onChange(() => this.#countEnds());
	}

	/** A node may ask for the workload's certificate, and carry its configuration. */
	mayCertify(node: string, workload: SpiffeId): boolean {
		return this.#deps.isOnNode(node, workload) || this.registrations.allows(node, workload);
	}

	/** `known`: where a join token is used up and a node is registered; default the authority's directory. */
	createCertificate(call: CertificateCall, known: KnownNodes = this): CertificateOutcome {
		const outcome = this.#tryToAnswer(call, known);
		if (outcome.ok) return outcome;
		this.refused(call.peer, outcome.reason, outcome.because);
		return { ok: false, grpcStatus: outcome.grpcStatus, because: outcome.because };
	}

	/** Counts and logs a refusal. The reason is one of a few; the sentence may quote what the caller sent. */
	refused(peer: CertificateCall["peer"], reason: string, because: string): void {
		this.#metrics.count("refused", reason);
		this.#deps.log.warn({ peer, reason, because }, "certificate refused");
	}

	/** A full disk or a damaged file in the authority's directory is this call's alone; other replicas may fare better. */
	#tryToAnswer(call: CertificateCall, known: KnownNodes) {
		try {
			return this.#answer(call, known);
		} catch (error) {
			const because = error instanceof Error ? error.message : String(error);
			this.#deps.log.error({ because }, "the authority's directory cannot be worked with");
			return refusal(grpcStatus.unavailable, "authority_failed", "the authority cannot do that at this moment");
		}
	}

	#answer(
		call: CertificateCall,
		known: KnownNodes,
	): { readonly ok: true; readonly message: Uint8Array } | CallerRefusal {
		const { authority, clock } = this.#deps;
		const request = decode(call.message);
		if (!request) return refusal(grpcStatus.invalidArgument, "malformed_request", "no IstioCertificateRequest");
		const caller = this.#identify(call, request, known);
		if (!caller.ok) {
			// Guesses cost the guesser: after some, not even the reason is given.
			return this.#strangers.take(call.peer.address, clock.monotonicMs()) ? caller : tooMany(call.peer.address);
		}
		const { asker, identity, joins } = caller;
		const uri = renderIdentity(identity);
		const limited = asker.startsWith("node ") ? asker : uri;
		if (!this.#askers.take(limited, clock.monotonicMs())) return tooMany(limited);
		const checked = checkRequest(request.csr);
		if (!checked.ok) return refusal(grpcStatus.invalidArgument, checked.reason, checked.because);
		if (joins) {
			const bearer = bearerOf(call.headers) ?? "";
			const redeemed = known.tokens.redeem(bearer, checked.publicKey, clock.wallMs());
			if (!redeemed.ok) return refusal(grpcStatus.unauthenticated, redeemed.reason, redeemed.because);
		}
		const isNode = "part" in identity;
		const validitySeconds =
			request.validitySeconds || (isNode ? Math.min(nodeTtlSeconds, authority.maxLeafTtlMs / 1000) : 0);
		const signed = authority.signKey(checked.publicKey, identity, { validitySeconds });
		if (!signed.ok) {
			const status = signed.reason === "issuer_expired" ? grpcStatus.unavailable : grpcStatus.invalidArgument;
			return refusal(status, signed.reason, signed.because);
		}
		if (joins) known.registrations.register(joins, clock.wallMs());
		const { issuerKeyId, notAfterMs, notBeforeMs, serial } = signed;
		this.ledger.record({ identity: uri, serial, issuerKeyId, notBeforeMs, notAfterMs, issuedTo: asker });
		this.#metrics.count("issued", "");
		this.#deps.log.info({ identity: uri, asker, serial, notAfterMs, joined: joins?.id }, "certificate issued");
		return { ok: true, message: encodeCreateCertificateResponse(signed.chain) };
	}

	#identify(
		{ headers, peer, reviewed }: CertificateCall,
		request: CreateCertificateRequest,
		{ tokens }: KnownNodes,
	): Caller {
		const { authority, clock, serviceAccountTokens } = this.#deps;
		const header = headers[workloadIdentityHeader];
		const deps: CallerDeps = {
			trustDomain: authority.trustDomain,
			checkJoinToken: (text) => tokens.check(text, clock.wallMs()),
			checkBearer: reviewed
				? () => reviewed
				: serviceAccountTokens && ((token) => serviceAccountTokens.verify(token, clock.wallMs())),
			mayRenewThemselves: serviceAccountTokens !== undefined || peer.isBelieved === true,
			isRegistered: (node) => this.registrations.of(node) !== undefined,
			mayCertify: (node, workload) => this.mayCertify(node, workload),
		};
		return identifyCaller(
			{
				uri: peer.uri,
				refusedCertificate: peer.refusedCertificate,
				bearer: bearerOf(headers),
				workload: typeof header === "string" ? header : request.impersonated,
			},
			deps,
		);
	}

	#countEnds(): void {
		const { authority } = this.#deps;
		const issuer = authority.issuers().find(({ isSigning }) => isSigning);
		const root = authority.roots().find(({ fingerprint }) => fingerprint === issuer?.root);
		if (root) this.#metrics.rootEnds(root.notAfterMs);
		if (issuer) this.#metrics.issuerEnds(issuer.notAfterMs);
	}
}

export function bearerOf(headers: CertificateCall["headers"]): string | undefined {
	const { authorization } = headers;
	return typeof authorization === "string" ? /^bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
}

function decode(message: Uint8Array): CreateCertificateRequest | undefined {
	try {
		return decodeCreateCertificateRequest(message);
	} catch {
		return undefined;
	}
}

function refusal(status: number, reason: string, because: string): CallerRefusal {
	return { ok: false, grpcStatus: status, reason, because };
}

function tooMany(who: string): CallerRefusal {
	return refusal(grpcStatus.resourceExhausted, "too_many_requests", `too many requests of ${who}: try again later`);
}
