// Who asks for a certificate, and for whom. In: what the connection proved and what the request says. Out: the identity to
// certify, or a refusal. Names in the certificate request itself are never among the inputs.

import { type Identity, parseIdentity, parseSpiffeId, renderIdentity, type SpiffeId } from "../spiffe-id.ts";
import type { JoinOutcome, JoinTokenFacts } from "./join-tokens.ts";
import type { TokenOutcome } from "./service-account-tokens.ts";

export interface CallerInput {
	/** URI of the verified client certificate. */
	readonly uri: string | undefined;
	readonly refusedCertificate: string | undefined;
	/** Content of `authorization` after `Bearer `. */
	readonly bearer: string | undefined;
	/** The workload that a node asks for: the header, or Istio's ImpersonatedIdentity. */
	readonly workload: string | undefined;
}

export interface CallerDeps {
	readonly trustDomain: string;
	/** Checks a join token without using it up. */
	readonly checkJoinToken: (text: string) => JoinOutcome;
	/** Absent: no issuer of bearer tokens is configured. */
	readonly checkBearer: ((token: string) => TokenOutcome) | undefined;
	/**
	 * Workloads may renew with what they have: those that came with a bearer token, as Istio's agents do. Where all come through
	 * nodes it would only make a stolen key good for ever.
	 */
	readonly mayRenewThemselves: boolean;
	readonly isRegistered: (node: string) => boolean;
	/** A resource places the workload on the node, or the node's registration allows it. */
	readonly mayCertify: (node: string, workload: SpiffeId) => boolean;
}

export type Caller =
	| {
			readonly ok: true;
			/** Whom the certificate is for. */
			readonly identity: Identity;
			/** Who asks; for rate limits and the ledger. */
			readonly asker: string;
			/** Present when a node joins. */
			readonly joins?: JoinTokenFacts;
	  }
	| CallerRefusal;

export interface CallerRefusal {
	readonly ok: false;
	readonly grpcStatus: number;
	readonly reason: string;
	readonly because: string;
}

export const grpcStatus = {
	invalidArgument: 3,
	permissionDenied: 7,
	resourceExhausted: 8,
	unavailable: 14,
	unauthenticated: 16,
} as const;

export function identifyCaller(input: CallerInput, deps: CallerDeps): Caller {
	const { bearer, refusedCertificate, uri } = input;
	// A machine that joins anew may still show the certificate of its former life.
	if (bearer?.startsWith("km1.")) return joiningNode(bearer, deps);
	if (uri !== undefined) return certificateHolder(uri, input.workload, deps);
	if (bearer !== undefined) return tokenHolder(bearer, deps);
	if (refusedCertificate !== undefined)
		return refused(
			grpcStatus.unauthenticated,
			"client_certificate",
			`client certificate refused: ${refusedCertificate}`,
		);
	return refused(
		grpcStatus.unauthenticated,
		"no_credentials",
		"who asks must show a join token, a certificate of this mesh, or a bearer token",
	);
}

function joiningNode(bearer: string, { checkJoinToken, trustDomain }: CallerDeps): Caller {
	const outcome = checkJoinToken(bearer);
	if (!outcome.ok) return refused(grpcStatus.unauthenticated, outcome.reason, outcome.because);
	const { node } = outcome.token;
	return {
		ok: true,
		identity: { trustDomain, part: "node", name: node },
		asker: `node ${node}`,
		joins: outcome.token,
	};
}

function certificateHolder(uri: string, workload: string | undefined, deps: CallerDeps): Caller {
	const { trustDomain } = deps;
	const holder = parseIdentity(uri);
	if (holder?.trustDomain !== trustDomain)
		return refused(grpcStatus.permissionDenied, "foreign_identity", `${uri} is no identity of ${trustDomain}`);
	if (!("part" in holder)) {
		if (workload === undefined || workload === uri) {
			if (deps.mayRenewThemselves) return { ok: true, identity: holder, asker: "itself" };
			const because = `${uri} is renewed by its node: without --token-issuer workloads do not renew themselves`;
			return refused(grpcStatus.permissionDenied, "renewed_by_node", because);
		}
		return refused(
			grpcStatus.permissionDenied,
			"not_a_node",
			`${uri} may renew itself only, not ask for ${workload.slice(0, 300)}`,
		);
	}
	if (holder.part !== "node")
		return refused(grpcStatus.permissionDenied, "not_a_node", `${uri} is given no certificates here`);
	const { name } = holder;
	if (!deps.isRegistered(name))
		return refused(
			grpcStatus.permissionDenied,
			"node_not_registered",
			`node ${name} is not registered (any more): join again`,
		);
	if (workload === undefined) return { ok: true, identity: holder, asker: `node ${name}` };
	const wanted = parseSpiffeId(workload);
	if (wanted?.trustDomain !== trustDomain)
		return refused(
			grpcStatus.permissionDenied,
			"foreign_identity",
			`${workload.slice(0, 300)} is no workload identity of ${trustDomain}`,
		);
	// The resource that says so may be a moment behind the request: the caller is to try again soon.
	if (!deps.mayCertify(name, wanted))
		return refused(
			grpcStatus.unavailable,
			"not_on_node",
			`no resource known here places a workload of ${renderIdentity(wanted)} on node ${name}, and its registration does not allow it`,
		);
	return { ok: true, identity: wanted, asker: `node ${name}` };
}

function tokenHolder(bearer: string, { checkBearer, trustDomain }: CallerDeps): Caller {
	if (!checkBearer)
		return refused(
			grpcStatus.unauthenticated,
			"no_token_issuer",
			"no issuer of bearer tokens is configured here (--token-issuer)",
		);
	const outcome = checkBearer(bearer);
	if (!outcome.ok) {
		const status = outcome.isPassing ? grpcStatus.unavailable : grpcStatus.unauthenticated;
		return refused(status, outcome.reason, outcome.because);
	}
	const { namespace, node, serviceAccount } = outcome;
	if (node !== undefined) {
		const identity = { trustDomain, part: "node", name: node } as const;
		return { ok: true, identity, asker: `node ${node}` };
	}
	return { ok: true, identity: { trustDomain, namespace, serviceAccount }, asker: "bearer token" };
}

function refused(status: number, reason: string, because: string): CallerRefusal {
	return { ok: false, grpcStatus: status, reason, because };
}
