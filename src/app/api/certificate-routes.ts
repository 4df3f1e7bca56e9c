// What the API answers about certificates and rotations: what the authority has, what this replica issued, where a rotation
// stands; and the requests to begin one, to abort it, and to go on without a replica.

import type { Authority } from "../../identity/authority/authority.ts";
import type { IssuedCertificate } from "../../identity/authority/issued-ledger.ts";
import { renderBlockers, renderRotation, renderRotationPlan } from "../../identity/rotation/render-rotation.ts";
import type { Blocker, RotationKind, RotationState } from "../../identity/rotation/rotation-state.ts";
import type { RequestOutcome, RotationDriver } from "../control/rotation-driver.ts";
import { type ApiAnswer, ApiError, type ApiRequest, type ApiRoute } from "./api-server.ts";

export interface CertificateRoutesParts {
	readonly replica: string;
	readonly authority: Authority;
	readonly rotation: RotationDriver;
	readonly issued: (nowMs: number) => readonly IssuedCertificate[];
	readonly wallMs: () => number;
}

export interface AuthorityItem {
	readonly kind: "root" | "issuer";
	/** Fingerprint of a root, key id of an issuer. */
	readonly id: string;
	/** Of an issuer: fingerprint of its root. */
	readonly root?: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** It signs leaves now, or stands over the issuer that does. */
	readonly isSigning: boolean;
}

export interface CertificatesAnswer {
	readonly replica: string;
	readonly nowMs: number;
	readonly trustDomain: string;
	readonly source: "self-made" | "plug-in";
	readonly authority: readonly AuthorityItem[];
	readonly issued: readonly IssuedCertificate[];
	readonly rotation: RotationAnswer;
}

export interface RotationAnswer {
	readonly state: RotationState;
	/** For people. */
	readonly lines: readonly string[];
}

export interface RotationPlanAnswer {
	readonly blockers: readonly Blocker[];
	readonly lines: readonly string[];
}

const pluggedIn = "the authority is plugged in, so its files are replaced by whoever made them";

/** `find`: undefined while there is no authority, or not yet. */
export function certificateRoutes(find: () => CertificateRoutesParts | undefined): readonly ApiRoute[] {
	const need = (): CertificateRoutesParts => {
		const parts = find();
		if (parts) return parts;
		throw new ApiError(503, "this control plane has no certificate authority", "keepmesh control --ca DIR");
	};
	const answerOf = (state: RotationState): RotationAnswer => {
		const problem = need().rotation.problem();
		const wrong = problem === undefined ? [] : [`nothing moves, what was known stays: ${problem}`];
		return { state, lines: [...wrong, ...renderRotation(state, need().wallMs())] };
	};
	const outcomeOf = (outcome: RequestOutcome): ApiAnswer => {
		if (!outcome.ok) throw new ApiError(409, outcome.because, "keepmesh certs rotate-root --status");
		return { json: answerOf(outcome.state) };
	};
	return [
		{ method: "GET", path: "/api/v1/certificates", answer: () => ({ json: certificatesAnswer(need(), answerOf) }) },
		{ method: "GET", path: "/api/v1/rotation", answer: () => ({ json: answerOf(need().rotation.state()) }) },
		{
			method: "POST",
			path: "/api/v1/rotation",
			answer: async (request) => {
				const kind = kindOf(request);
				if (request.query.get("dryRun") === "true") return { json: await planOf(need(), kind) };
				if (need().authority.source === "plug-in")
					throw new ApiError(409, pluggedIn, `keepmesh certs rotate-${kind} --dry-run`);
				return outcomeOf(await need().rotation.request(kind));
			},
		},
		{ method: "POST", path: "/api/v1/rotation/abort", answer: async () => outcomeOf(await need().rotation.abort()) },
		{
			method: "POST",
			path: "/api/v1/rotation/forget",
			answer: ({ query }) => {
				const replica = query.get("replica") ?? "";
				if (need().rotation.forgetReplica(replica)) return { json: { forgotten: replica } };
				const message = `no control plane "${replica}" has left a heartbeat`;
				throw new ApiError(404, message, "keepmesh certs rotate-root --status");
			},
		},
	];
}

function certificatesAnswer(
	{ authority, issued, replica, rotation, wallMs }: CertificateRoutesParts,
	answerOf: (state: RotationState) => RotationAnswer,
): CertificatesAnswer {
	return {
		replica,
		nowMs: wallMs(),
		trustDomain: authority.trustDomain,
		source: authority.source,
		authority: authorityItems(authority),
		issued: issued(wallMs()),
		rotation: answerOf(rotation.state()),
	};
}

async function planOf(
	{ authority, rotation }: CertificateRoutesParts,
	kind: RotationKind,
): Promise<RotationPlanAnswer> {
	const signing = authority.issuers().find(({ isSigning }) => isSigning);
	const from = { keyId: signing?.keyId ?? "", rootFingerprint: signing?.root ?? "" };
	const blockers = await rotation.blockers();
	if (authority.source === "plug-in")
		return {
			blockers,
			lines: [
				`${pluggedIn}.`,
				"First the new root beside the old one, then, when all have confirmed it, the new issuer, and last the new root alone.",
				"At this moment:",
				...(blockers.length === 0 ? ["  every proxy has confirmed what is there now"] : renderBlockers(blockers)),
			],
		};
	return { blockers, lines: renderRotationPlan(kind, from, blockers) };
}

function kindOf({ query }: ApiRequest): RotationKind {
	const kind = query.get("kind");
	if (kind === "root" || kind === "issuer") return kind;
	throw new ApiError(400, `"${kind ?? ""}" is neither root nor issuer`, "keepmesh certs rotate-root");
}

function authorityItems(authority: Authority): readonly AuthorityItem[] {
	const issuers = authority.issuers();
	const signing = issuers.find(({ isSigning }) => isSigning);
	return [
		...authority.roots().map(({ fingerprint, notBeforeMs, notAfterMs }) => ({
			kind: "root" as const,
			id: fingerprint,
			notBeforeMs,
			notAfterMs,
			isSigning: fingerprint === signing?.root,
		})),
		...issuers.map(({ keyId, root, notBeforeMs, notAfterMs, isSigning }) => ({
			kind: "issuer" as const,
			id: keyId,
			root,
			notBeforeMs,
			notAfterMs,
			isSigning,
		})),
	];
}
