// The certificate side of a control plane, put together: the authority, the service that gives out its certificates, and what
// the TLS port needs of both.

import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { type Authority, type AuthorityOptions, openAuthority } from "../../identity/authority/authority.ts";
import {
	bearerOf,
	type CertificateCall,
	type CertificateOutcome,
	CertificateService,
	type KnownNodes,
	longestCallBytes,
	workloadIdentityHeader,
} from "../../identity/authority/certificate-service.ts";
import { grpcStatus } from "../../identity/authority/identify-caller.ts";
import { ServerCertificate, type ServerTls } from "../../identity/authority/server-certificate.ts";
import {
	type ServiceAccountTokenOptions,
	ServiceAccountTokens,
	type TokenOutcome,
} from "../../identity/authority/service-account-tokens.ts";
import { type CertificateFacts, readCertificate } from "../../identity/certificate-reader.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { ChainCheck } from "../../xds/wire/tls-peer.ts";
import type { SlowUnaryService, UnaryService } from "../../xds/wire/unary-service.ts";
import { WorkloadsOnNodes } from "./workloads-on-nodes.ts";

export interface CertificateOptions
	extends Pick<AuthorityOptions, "leafTtlMs" | "keyType" | "passphrase" | "plugInDirectory"> {
	/** Bearer tokens of this issuer are taken for the service account that they name. */
	readonly serviceAccountTokens?: ServiceAccountTokenOptions;
}

export interface CertificateAuthority {
	readonly authority: Authority;
	readonly service: CertificateService;
	/** CreateCertificate, without bearer tokens that others must be asked about. */
	readonly unary: UnaryService;
	/** CreateCertificate, for the TLS port. */
	readonly secure: SlowUnaryService;
	/** From now on bearer tokens of those who have no certificate are looked at like this. */
	reviewTokens(review: (token: string) => Promise<TokenOutcome>): void;
	/** From now on a join token is used up by this, which hands over what is known of tokens and nodes and keeps what becomes of it. */
	joinThrough(transact: JoinTransaction): void;
	/** Whether a chain that OpenSSL accepted ends in a root that the mesh still trusts. */
	readonly checkChain: ChainCheck;
	close(): void;
}

/** Undefined: what was done could not be kept, `because` says why. */
export type JoinTransaction = (
	run: (known: KnownNodes) => CertificateOutcome,
) => Promise<{ readonly outcome: CertificateOutcome } | { readonly because: string }>;

export interface CertificateAuthorityParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
	readonly snapshot: () => Snapshot;
}

/** Throws, saying why, when the authority cannot be opened. */
export function openCertificateAuthority(
	options: CertificateOptions & { readonly directory: string; readonly trustDomain: string },
	{ clock, log, metrics, snapshot }: CertificateAuthorityParts,
): CertificateAuthority {
	const { serviceAccountTokens, ...authorityOptions } = options;
	const tokens = serviceAccountTokens && new ServiceAccountTokens(serviceAccountTokens);
	const authority = openAuthority({
		...authorityOptions,
		clock,
		wallMs: () => clock.wallMs(),
		onProblem: (because) => {
			if (because === undefined) log.info({}, "the certificate authority's files are good again");
			else log.error({ because }, "the certificate authority's files cannot be taken over; the state before stays");
		},
	});
	const places = new WorkloadsOnNodes();
	const service = new CertificateService({
		authority,
		isOnNode: (node, workload) => places.isOnNode(snapshot(), node, workload),
		...(tokens ? { serviceAccountTokens: tokens } : {}),
		clock,
		log,
		metrics,
	});
	let roots = trustedRoots(authority);
	let review: ((token: string) => Promise<TokenOutcome>) | undefined;
	let transact: JoinTransaction | undefined;
	const join = async (call: CertificateCall, through: JoinTransaction): Promise<CertificateOutcome> => {
		const done = await through((known) => service.createCertificate(call, known));
		if ("outcome" in done) return done.outcome;
		service.refused(call.peer, "join_not_kept", done.because);
		return { ok: false, grpcStatus: grpcStatus.unavailable, because: done.because };
	};
	const limits = {
		maxRequestBytes: longestCallBytes,
		refused: (peer: CertificateCall["peer"], because: string) => service.refused(peer, "request_too_long", because),
	};
	const warn = (): void => {
		const { because } = authority.revocationLists();
		if (because !== undefined) log.warn({ because }, "ca-crl.pem counts at the control plane only, not at the Envoys");
	};
	warn();
	authority.onChange(() => {
		warn();
		roots = trustedRoots(authority);
		log.info({ roots: [...roots], issuer: authority.bundle().issuerKeyId }, "the certificate authority changed");
	});
	return {
		authority,
		service,
		unary: { ...limits, handle: (call) => service.createCertificate(call) },
		secure: {
			...limits,
			answer: async (call) => {
				const bearer = bearerOf(call.headers);
				if (transact && bearer?.startsWith("km1.")) return join(call, transact);
				const isJwt = bearer !== undefined && !bearer.startsWith("km1.");
				if (!review || !isJwt || call.peer.uri !== undefined) return service.createCertificate(call);
				return service.createCertificate({ ...call, reviewed: await review(bearer) });
			},
		},
		reviewTokens: (by) => {
			review = by;
		},
		joinThrough: (by) => {
			transact = by;
		},
		checkChain: (chain) => {
			const { facts, root } = factsOf(chain);
			if (root === undefined || !roots.has(root)) return "the mesh no longer trusts its root";
			if (!facts) return "a certificate of its chain cannot be read";
			return facts.some((one) => authority.isRevoked(one)) ? "it, or an issuer above it, is revoked" : undefined;
		},
		close: () => authority.close(),
	};
}

interface ChainFacts {
	/** Undefined when one of them cannot be read. */
	readonly facts: readonly CertificateFacts[] | undefined;
	/** Fingerprint of the last certificate. */
	readonly root: string | undefined;
}

/** A connection's chain is asked about again and again. */
const known = new WeakMap<readonly Uint8Array[], ChainFacts>();

function factsOf(chain: readonly Uint8Array[]): ChainFacts {
	const before = known.get(chain);
	if (before) return before;
	const top = chain.at(-1);
	const facts = chain.flatMap((one) => readCertificate(one) ?? []);
	const read = {
		facts: facts.length === chain.length ? facts : undefined,
		root: top && createHash("sha256").update(top).digest("hex"),
	};
	known.set(chain, read);
	return read;
}

const trustedRoots = (authority: Authority): ReadonlySet<string> =>
	new Set(authority.roots().map(({ fingerprint }) => fingerprint));

/** Names that Istio's agents use for the control plane. */
const istioNames = [
	"istiod.istio-system.svc.cluster.local",
	"istiod.istio-system.svc",
	"istiod.istio-system",
	"istiod",
	"localhost",
];

export function openServerCertificate(
	{ authority }: CertificateAuthority,
	server: { readonly id: string; readonly host: string; readonly names: readonly string[] },
	parts: { readonly clock: Clock; readonly log: Log; readonly onRenewed: (tls: ServerTls) => void },
): ServerCertificate {
	const isAll = ["", "0.0.0.0", "::"].includes(server.host);
	const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
	const ipAddresses = isAll ? addresses.map(({ address }) => address) : isAddress(server.host) ? [server.host] : [];
	const names = server.names.filter((name) => !isAddress(name));
	const given = isAll || isAddress(server.host) ? names : [server.host, ...names];
	return new ServerCertificate(
		{
			identity: { trustDomain: authority.trustDomain, part: "control", name: partName(server.id) },
			dnsNames: [...new Set([...istioNames, ...given])],
			ipAddresses: [...new Set(["127.0.0.1", "::1", ...ipAddresses, ...server.names.filter(isAddress)])],
		},
		{ authority, ...parts },
	);
}

const isAddress = (text: string): boolean => /^[\d.]+$/.test(text) || text.includes(":");

/** A replica may be called anything; a SPIFFE id may not. */
function partName(id: string): string {
	const name = id
		.toLowerCase()
		.replace(/[^a-z0-9.-]/g, "-")
		.replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
	return name === "" ? "control" : name.slice(0, 253);
}

/** On plaintext ports nothing proves who calls: certificates are given there only where that was asked for. */
export function plaintextCertificates(
	{ service, unary }: CertificateAuthority,
	believesCallers: boolean,
): UnaryService {
	return {
		...unary,
		handle: (call) => {
			const { address } = call.peer;
			if (!believesCallers) {
				const because = "certificates are given over mutual TLS only, on the port of --xds";
				service.refused(call.peer, "plaintext", because);
				return { ok: false, grpcStatus: 7, because };
			}
			const claimed = call.headers[workloadIdentityHeader];
			const isWorkload = typeof claimed === "string" && parseSpiffeId(claimed) !== undefined;
			return service.createCertificate({
				...call,
				peer: isWorkload ? { address, uri: claimed, isBelieved: true } : { address },
			});
		},
	};
}
