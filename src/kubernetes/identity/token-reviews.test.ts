import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { ApiAnswer, KubernetesClient } from "../client/kubernetes-client.ts";
import { TokenReviews } from "./token-reviews.ts";

const nowMs = Date.UTC(2026, 0, 1);
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const tokenWith = (claims: object): string => `${part({ alg: "RS256" })}.${part(claims)}.c2ln`;
const good = tokenWith({ aud: ["istio-ca"], exp: nowMs / 1000 + 600 });

const status = (account: string, extra: object = {}, audiences: readonly string[] = ["istio-ca"]) => ({
	authenticated: true,
	audiences,
	user: { username: `system:serviceaccount:${account}`, extra },
});
const onNode = { "authentication.kubernetes.io/node-name": ["n1"] };

function reviewsOf(answer: () => ApiAnswer | Promise<ApiAnswer>) {
	const asked: unknown[] = [];
	const client = {
		request: async (_method: string, _path: string, options: { body: unknown }) => {
			asked.push(options.body);
			return answer();
		},
	} as unknown as KubernetesClient;
	const clock = new VirtualClock(nowMs);
	const reviews = new TokenReviews(
		{
			audiences: ["istio-ca"],
			isNodeAccount: (namespace, account) => namespace === "keepmesh-system" && account === "keepmesh-node",
		},
		{ client, clock },
	);
	return { reviews, asked, clock };
}
const answered = (of: object) => (): ApiAnswer => ({ status: 201, body: { status: of } });

describe("a projected token that the API server reviews", () => {
	it("names a workload by its service account", async () => {
		const { asked, reviews } = reviewsOf(answered(status("shop:web", onNode)));
		assert.deepEqual(await reviews.review(good), { ok: true, namespace: "shop", serviceAccount: "web" });
		assert.deepEqual(asked, [
			{
				apiVersion: "authentication.k8s.io/v1",
				kind: "TokenReview",
				spec: { token: good, audiences: ["istio-ca"] },
			},
		]);
	});

	it("names the node of a node's agent", async () => {
		const { reviews } = reviewsOf(answered(status("keepmesh-system:keepmesh-node", onNode)));
		const account = { namespace: "keepmesh-system", serviceAccount: "keepmesh-node" };
		assert.deepEqual(await reviews.review(good), { ok: true, ...account, node: "n1" });
	});

	it("makes nobody a node who has the agents' name in another namespace", async () => {
		const { reviews } = reviewsOf(answered(status("shop:keepmesh-node", onNode)));
		assert.deepEqual(await reviews.review(good), { ok: true, namespace: "shop", serviceAccount: "keepmesh-node" });
	});

	it("is refused where the API server does not say which node the agent is on", async () => {
		const { reviews } = reviewsOf(answered(status("keepmesh-system:keepmesh-node")));
		const outcome = await reviews.review(good);
		assert.ok(!outcome.ok && outcome.reason === "jwt_subject" && !outcome.isPassing);
	});

	it("is refused when the API server does not know it, or knows it for other audiences, or as a user", async () => {
		for (const [said, reason] of [
			[{ authenticated: false, error: "expired" }, "jwt_signature"],
			[status("shop:web", {}, []), "jwt_audience"],
			[status("shop:web", {}, ["https://kubernetes.default.svc"]), "jwt_audience"],
			[{ ...status("shop:web"), user: { username: "admin" } }, "jwt_subject"],
			[{}, "jwt_signature"],
		] as const) {
			const outcome = await reviewsOf(answered(said)).reviews.review(good);
			assert.equal(outcome.ok ? "taken" : outcome.reason, reason);
		}
	});

	it("is not even asked about when it speaks against itself", async () => {
		for (const [token, reason] of [
			["km1.x.y.z", "jwt_malformed"],
			["no token", "jwt_malformed"],
			["a.b.c", "jwt_malformed"],
			["x".repeat(20_000), "jwt_malformed"],
			[tokenWith({ aud: "other", exp: nowMs / 1000 + 600 }), "jwt_audience"],
			[tokenWith({ aud: ["istio-ca"], exp: nowMs / 1000 - 600 }), "jwt_expired"],
			[tokenWith({ aud: ["istio-ca"] }), "jwt_expired"],
		] as const) {
			const { asked, reviews } = reviewsOf(answered(status("shop:web")));
			const outcome = await reviews.review(token);
			assert.equal(outcome.ok ? "taken" : outcome.reason, reason);
			assert.equal(asked.length, 0);
		}
	});

	it("may be shown again elsewhere when the API server does not answer", async () => {
		for (const answer of [() => Promise.reject(new Error("gone")), () => ({ status: 503, body: "" })]) {
			const outcome = await reviewsOf(answer).reviews.review(good);
			assert.ok(!outcome.ok && outcome.isPassing);
		}
	});

	it("is asked about once in ten seconds, a bad one each time", async () => {
		const { asked, clock, reviews } = reviewsOf(answered(status("shop:web")));
		await reviews.review(good);
		await reviews.review(good);
		assert.equal(asked.length, 1);
		clock.advance(10_000);
		await reviews.review(good);
		assert.equal(asked.length, 2);
		const bad = reviewsOf(answered({}));
		await bad.reviews.review(good);
		await bad.reviews.review(good);
		assert.equal(bad.asked.length, 2);
	});

	it("does not let guesses flood the API server", async () => {
		const held = Promise.withResolvers<ApiAnswer>();
		const { asked, reviews } = reviewsOf(() => held.promise);
		const guesses = Array.from({ length: 40 }, (_, id) =>
			reviews.review(tokenWith({ aud: ["istio-ca"], exp: nowMs / 1000 + 60, id })),
		);
		held.resolve({ status: 201, body: {} });
		const outcomes = await Promise.all(guesses);
		assert.equal(asked.length, 32);
		assert.equal(outcomes.filter((outcome) => !outcome.ok && outcome.isPassing).length, 8);
	});
});
