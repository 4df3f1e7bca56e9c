// Who holds a projected token, as the API server says (TokenReview). In: the token; what it says of itself, before anybody is
// asked. Out: its service account, and its node where the account is that of the node agents; or why it counts for nothing.
// https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/

import { createHash } from "node:crypto";
import type { TokenOutcome } from "../../identity/authority/service-account-tokens.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";

export interface TokenReviewsOptions {
	/** One of them must be among the token's. Istio's agents ask for `istio-ca`. */
	readonly audiences: readonly string[];
	/** Whether a service account is that of the node agents. */
	readonly isNodeAccount: (namespace: string, serviceAccount: string) => boolean;
}

interface ReviewStatus {
	readonly authenticated?: boolean;
	readonly audiences?: readonly string[];
	readonly error?: string;
	readonly user?: {
		readonly username?: string;
		readonly extra?: Readonly<Record<string, readonly string[] | undefined>>;
	};
}

const reviewPath = "/apis/authentication.k8s.io/v1/tokenreviews";
const timeoutMs = 5_000;
const longestToken = 16_384;
/** Guesses must not keep the API server busy. */
const mostAtOnce = 32;
/** A token that was good is not asked about again for so long; the pod that it is bound to may be gone meanwhile. */
const keptMs = 10_000;
const mostKept = 1_000;

export class TokenReviews {
	readonly #options: TokenReviewsOptions;
	readonly #client: KubernetesClient;
	readonly #clock: Clock;
	readonly #known = new Map<string, { readonly outcome: TokenOutcome; readonly untilMs: number }>();
	#asked = 0;

	constructor(options: TokenReviewsOptions, deps: { readonly client: KubernetesClient; readonly clock: Clock }) {
		this.#options = options;
		this.#client = deps.client;
		this.#clock = deps.clock;
	}

	async review(token: string): Promise<TokenOutcome> {
		const nowMs = this.#clock.monotonicMs();
		const digest = createHash("sha256").update(token).digest("base64");
		const known = this.#known.get(digest);
		if (known && nowMs < known.untilMs) return known.outcome;
		const worthless = this.#whyWorthless(token);
		if (worthless) return worthless;
		if (this.#asked >= mostAtOnce) return busy("too many tokens are being looked at");
		this.#asked++;
		try {
			const outcome = await this.#ask(token);
			if (outcome.ok) this.#keep(digest, outcome, nowMs + keptMs);
			return outcome;
		} finally {
			this.#asked--;
		}
	}

	/** What the token says of itself is believed only where it speaks against it. */
	#whyWorthless(token: string): TokenOutcome | undefined {
		const claims = token.length > longestToken ? undefined : claimsOf(token);
		if (!claims) return refused("jwt_malformed", "the bearer token is neither a join token nor a signed JWT");
		const { aud, exp } = claims;
		const audiences = Array.isArray(aud) ? aud : [aud];
		if (!this.#options.audiences.some((one) => audiences.includes(one)))
			return refused("jwt_audience", `the token is not for ${this.#options.audiences.join(" or ")}`);
		if (typeof exp !== "number" || exp * 1000 < this.#clock.wallMs() - 60_000)
			return refused("jwt_expired", "the token has expired");
		return undefined;
	}

	async #ask(token: string): Promise<TokenOutcome> {
		const { audiences } = this.#options;
		const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token, audiences } };
		let answer: Awaited<ReturnType<KubernetesClient["request"]>>;
		try {
			answer = await this.#client.request("POST", reviewPath, { body, timeoutMs });
		} catch {
			return busy("the API server does not answer");
		}
		if (answer.status >= 300) return busy(`the API server answered ${answer.status} to a TokenReview`);
		const { status = {} } = answer.body as { readonly status?: ReviewStatus };
		if (status.authenticated !== true)
			return refused(
				"jwt_signature",
				`the API server does not know the token${status.error ? `: ${status.error}` : ""}`,
			);
		// An API server that does not know audiences would take any token.
		if (!status.audiences?.some((one) => audiences.includes(one)))
			return refused("jwt_audience", "the API server did not say that the token is for this mesh");
		const [, namespace, serviceAccount] =
			/^system:serviceaccount:([^:]+):([^:]+)$/.exec(status.user?.username ?? "") ?? [];
		if (namespace === undefined || serviceAccount === undefined)
			return refused("jwt_subject", "the token is of no service account");
		if (!this.#options.isNodeAccount(namespace, serviceAccount)) return { ok: true, namespace, serviceAccount };
		const [node] = status.user?.extra?.["authentication.kubernetes.io/node-name"] ?? [];
		if (node === undefined)
			return refused(
				"jwt_subject",
				"the API server does not say which node the token is from (Kubernetes 1.30 or newer does)",
			);
		return { ok: true, namespace, serviceAccount, node };
	}

	#keep(digest: string, outcome: TokenOutcome, untilMs: number): void {
		if (this.#known.size >= mostKept) this.#known.clear();
		this.#known.set(digest, { outcome, untilMs });
	}
}

function claimsOf(token: string): Readonly<Record<string, unknown>> | undefined {
	const parts = token.split(".");
	if (parts.length !== 3) return undefined;
	try {
		const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? "", "base64url").toString("utf8"));
		return typeof claims === "object" && claims !== null ? (claims as Record<string, unknown>) : undefined;
	} catch {
		return undefined;
	}
}

function refused(reason: Extract<TokenOutcome, { ok: false }>["reason"], because: string): TokenOutcome {
	return { ok: false, reason, because };
}

/** Nobody's fault who asks: another replica may do better. */
const busy = (because: string): TokenOutcome => ({ ok: false, reason: "review_failed", because, isPassing: true });
