import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuthorizationPolicyView } from "../model/security.ts";
import type { AuthorizationRule } from "../resources/kinds/security.ts";
import type { AccessRequest } from "./access-request.ts";
import { decideAccess } from "./decide-access.ts";

const reviews = "cluster.local/ns/default/sa/reviews";
const get: AccessRequest = {
	principal: reviews,
	sourceIp: "10.0.0.7",
	destinationPort: 9080,
	http: { method: "GET", path: "/ratings/1", host: "ratings:9080", headers: { "x-user": "anna" } },
};

function policy(
	action: AuthorizationPolicyView["action"],
	rules: readonly AuthorizationRule[],
	more: Partial<AuthorizationPolicyView> = {},
): AuthorizationPolicyView {
	const name = `${action.toLowerCase()}-it`;
	const source = `AuthorizationPolicy/default/${name}`;
	return { source, namespace: "default", name, action, dryRun: false, rules, ...more };
}

const outcomeOf = (
	policies: readonly AuthorizationPolicyView[],
	request: AccessRequest = get,
	trustDomains = ["cluster.local"],
) => decideAccess(policies, request, trustDomains).outcome;

const from = (source: NonNullable<NonNullable<AuthorizationRule["from"]>[number]["source"]>): AuthorizationRule => ({
	from: [{ source }],
});
const when = (key: string, ...values: string[]): AuthorizationRule => ({ when: [{ key, values }] });

describe("access decided from the text of policies", () => {
	it("allows all where no policy is", () => assert.equal(outcomeOf([]), "allowed"));
	it("denies all to an ALLOW policy without rules", () => assert.equal(outcomeOf([policy("ALLOW", [])]), "denied"));
	it("denies nothing by a DENY policy without rules", () => assert.equal(outcomeOf([policy("DENY", [])]), "allowed"));
	it("lets an empty rule meet everything", () => {
		assert.equal(outcomeOf([policy("ALLOW", [{}])]), "allowed");
		assert.equal(outcomeOf([policy("DENY", [{}])]), "denied");
	});
	it("puts DENY above ALLOW, and names the rule", () => {
		const decision = decideAccess(
			[policy("ALLOW", [{}]), policy("DENY", [when("source.ip", "10.1.0.0/16"), {}])],
			get,
			[],
		);
		assert.equal(decision.outcome, "denied");
		assert.deepEqual(decision.by, { policy: "AuthorizationPolicy/default/deny-it", rule: 1 });
	});
	it("says of every rule why it was not met", () => {
		const { steps, outcome } = decideAccess([policy("ALLOW", [from({ namespaces: ["prod"] })])], get, [
			"cluster.local",
		]);
		assert.equal(outcome, "denied");
		assert.deepEqual(steps[0]?.because, ["from: namespace is default, not prod"]);
	});
	it("leaves what a CUSTOM rule meets to its provider, unless it is denied anyway", () => {
		assert.equal(outcomeOf([policy("CUSTOM", [{}], { provider: "opa" })]), "asksProvider");
		assert.equal(outcomeOf([policy("CUSTOM", [{}]), policy("DENY", [{}])]), "denied");
		assert.equal(outcomeOf([policy("CUSTOM", [{}]), policy("ALLOW", [])]), "denied");
	});
	it("is not moved by dry runs", () => {
		assert.equal(outcomeOf([policy("DENY", [{}], { dryRun: true })]), "allowed");
		assert.equal(outcomeOf([policy("ALLOW", [], { dryRun: true })]), "allowed");
	});

	const met: readonly (readonly [string, AuthorizationRule, boolean])[] = [
		["a principal", from({ principals: [reviews] }), true],
		["a principal of another account", from({ principals: [`${reviews}x`] }), false],
		["a principal by its end", from({ principals: ["*/sa/reviews"] }), true],
		["a namespace", from({ namespaces: ["default"] }), true],
		["a namespace that is only a part of it", from({ namespaces: ["def"] }), false],
		["an account of the policy's namespace", from({ serviceAccounts: ["reviews"] }), true],
		["an account of another namespace", from({ serviceAccounts: ["prod/reviews"] }), false],
		["a trust domain", from({ trustDomains: ["cluster.local"] }), true],
		["an excluded principal", from({ notPrincipals: [reviews] }), false],
		["both halves of a source", from({ principals: ["*"], notNamespaces: ["default"] }), false],
		["one of two sources", { from: [{ source: { namespaces: ["x"] } }, { source: { principals: ["*"] } }] }, true],
		["an address range", from({ ipBlocks: ["10.0.0.0/24"] }), true],
		["another address range", from({ ipBlocks: ["10.0.1.0/24"] }), false],
		["a method and a path", { to: [{ operation: { methods: ["GET"], paths: ["/ratings/*"] } }] }, true],
		["a host without its port", { to: [{ operation: { hosts: ["ratings"] } }] }, false],
		["a host in capitals", { to: [{ operation: { hosts: ["RATINGS:9080"] } }] }, true],
		["a port", { to: [{ operation: { ports: ["9080"] } }] }, true],
		["an excluded path", { to: [{ operation: { notPaths: ["/ratings/*"] } }] }, false],
		["a header", when("request.headers[X-User]", "anna"), true],
		["a header that is absent", when("request.headers[x-none]", "*"), false],
		["a claim without a token", when("request.auth.claims[role]", "*"), false],
		[
			"two conditions of which one fails",
			{ when: [...(when("destination.port", "9080").when ?? []), { key: "source.namespace", values: ["x"] }] },
			false,
		],
	];
	for (const [what, rule, expected] of met)
		it(`${what} ${expected ? "meets" : "does not meet"} the request`, () =>
			assert.equal(outcomeOf([policy("ALLOW", [rule])]), expected ? "allowed" : "denied"));

	it("knows no principal on plaintext", () => {
		const { principal: _, ...plaintext } = get;
		assert.equal(outcomeOf([policy("ALLOW", [from({ principals: ["*"] })])], plaintext), "denied");
		assert.equal(outcomeOf([policy("DENY", [from({ notPrincipals: [reviews] })])], plaintext), "denied");
	});
	it("takes a principal for the same under every alias of the trust domain", () => {
		const rule = from({ principals: ["old.example/ns/default/sa/reviews"] });
		assert.equal(outcomeOf([policy("ALLOW", [rule])], get, ["cluster.local", "old.example"]), "allowed");
		assert.equal(outcomeOf([policy("ALLOW", [rule])], get, ["cluster.local"]), "denied");
	});
	it("reads claims, nested and in lists, and the request's principal", () => {
		const claims = { iss: "https://issuer", sub: "anna", groups: ["admin"], realm: { roles: ["reader"] } };
		const request = { ...get, http: { ...(get.http ?? assert.fail()), claims } };
		assert.equal(
			outcomeOf([policy("ALLOW", [from({ requestPrincipals: ["https://issuer/anna"] })])], request),
			"allowed",
		);
		assert.equal(outcomeOf([policy("ALLOW", [when("request.auth.claims[groups]", "admin")])], request), "allowed");
		assert.equal(
			outcomeOf([policy("ALLOW", [when("request.auth.claims[realm][roles]", "writer")])], request),
			"denied",
		);
	});

	describe("on a port that proxies bytes", () => {
		const { http: _, ...bytes } = get;
		const rule: AuthorizationRule = {
			from: [{ source: { principals: [reviews] } }],
			to: [{ operation: { methods: ["GET"] } }],
		};
		it("never meets an ALLOW rule that asks for HTTP", () =>
			assert.equal(outcomeOf([policy("ALLOW", [rule])], bytes), "denied"));
		it("leaves what is of HTTP out of a DENY rule, so that it denies more", () =>
			assert.equal(outcomeOf([policy("DENY", [rule])], bytes), "denied"));
	});
});
