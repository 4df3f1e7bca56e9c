// AuthorizationPolicies against what they guard: providers that do not exist, and rules that can never be met or are met by
// everything. Istio's IST0101 (missing) and IST0167 (ineffective policy).

import type { ConfigObject } from "../config-object.ts";
import type { AuthorizationRule, AuthorizationSource } from "../kinds/security.ts";
import { usesHttp } from "../rules/authorization-policy-rules.ts";
import { nearestName } from "../text/nearest-name.ts";
import type { Guarded, GuardedPort } from "./guarded-workloads.ts";
import type { KnownWorkload, MeshIndex } from "./mesh-index.ts";
import { nameOf, type Report } from "./report.ts";
import { speaksBytes } from "./service-references.ts";

type Policy = ConfigObject<"AuthorizationPolicy">;

export function checkAuthorizationPolicies(index: MeshIndex, guarded: Guarded, report: Report): void {
	for (const policy of index.of("AuthorizationPolicy")) {
		checkProvider(policy, index, report);
		// What runs behind targets is not known.
		if (policy.spec.targetRef || policy.spec.targetRefs?.length) continue;
		const workloads = guarded.selected(policy, policy.spec.selector?.matchLabels ?? {});
		checkPlainPorts(policy, workloads, guarded, report);
		checkIdentities(policy, workloads, guarded, report);
		checkTokens(policy, workloads, guarded, report);
	}
}

function checkProvider(policy: Policy, index: MeshIndex, report: Report): void {
	const name = policy.spec.provider?.name;
	if (policy.spec.action !== "CUSTOM" || !name) return;
	const providers = index.of("MeshConfig").flatMap(({ spec }) => spec.extensionProviders ?? []);
	const found = providers.find((provider) => provider.name === name);
	const path = ["spec", "provider", "name"];
	const names = providers.map((provider) => provider.name);
	const near = nearestName(name, names);
	if (!found)
		report(
			"error",
			"IST0101",
			policy,
			path,
			`MeshConfig has no extension provider ${name}: every request that a rule meets is refused`,
			near ? `did you mean ${near}?` : "add it to MeshConfig's extensionProviders",
		);
	else if (!found.envoyExtAuthzGrpc && !found.envoyExtAuthzHttp)
		report(
			"error",
			"IST0101",
			policy,
			path,
			`provider ${name} is not one that can be asked for permission`,
			"name one with envoyExtAuthzHttp or envoyExtAuthzGrpc",
		);
}

/** On a port that proxies bytes no request is seen: there, ALLOW rules with HTTP fields are never met, and DENY rules lose them. */
function checkPlainPorts(policy: Policy, workloads: readonly KnownWorkload[], guarded: Guarded, report: Report): void {
	const { action = "ALLOW", rules = [] } = policy.spec;
	if (action !== "ALLOW" && action !== "DENY") return;
	const withHttp = rules.flatMap((rule, at) => (usesHttp(rule) ? [{ rule, at }] : []));
	if (withHttp.length === 0 || (action === "ALLOW" && withHttp.length < rules.length)) return;
	const plain = lazyPlainPorts(workloads, guarded);
	if (action === "ALLOW") {
		const [first] = plain();
		if (first)
			report(
				"warning",
				"IST0167",
				policy,
				["spec", "rules"],
				`no rule is ever met on ${first.text}: rules that ask for HTTP allow nothing there`,
				`add a rule without HTTP fields, with ports: ["${first.targetPort ?? "..."}"], if connections there shall pass`,
			);
		return;
	}
	for (const { rule, at } of withHttp) {
		const found = plain().find(({ targetPort }) => reachesPort(rule, targetPort));
		if (found)
			report(
				"warning",
				"IST0167",
				policy,
				["spec", "rules", at],
				`on ${found.text} the HTTP fields are left out: the rule denies whatever meets the rest of it`,
				"add the ports that it is meant for to each operation",
			);
	}
}

type PlainPort = GuardedPort & { readonly text: string };

function lazyPlainPorts(workloads: readonly KnownWorkload[], guarded: Guarded): () => readonly PlainPort[] {
	let found: readonly PlainPort[] | undefined;
	return () => {
		found ??= workloads
			.filter((workload) => !guarded.isGateway(workload))
			.flatMap((workload) => guarded.portsOf(workload))
			.filter(({ port }) => speaksBytes(port))
			.map((one) => ({ ...one, text: `port ${one.port.port} of ${nameOf(one.service)} (plain bytes)` }));
		return found;
	};
}

/** Could a connection to this port of the workload meet the rule, as far as ports go? */
function reachesPort(rule: AuthorizationRule, targetPort: number | undefined): boolean {
	const fits = (ports: readonly string[] = [], notPorts: readonly string[] = []): boolean => {
		if (targetPort === undefined) return ports.length === 0;
		return (ports.length === 0 || ports.includes(`${targetPort}`)) && !notPorts.includes(`${targetPort}`);
	};
	const operations = rule.to ?? [];
	const reached =
		operations.length === 0 || operations.some(({ operation }) => fits(operation?.ports, operation?.notPorts));
	return (
		reached &&
		(rule.when ?? []).every(({ key, values, notValues }) => key !== "destination.port" || fits(values, notValues))
	);
}

/** Identities of clients come with mutual TLS; where it is off nobody has one. */
function checkIdentities(policy: Policy, workloads: readonly KnownWorkload[], guarded: Guarded, report: Report): void {
	for (const [at, rule] of (policy.spec.rules ?? []).entries()) {
		if (!needsIdentity(rule)) continue;
		const off = workloads.find((workload) => guarded.offBy(workload) && !guarded.isGateway(workload));
		const source = off && guarded.offBy(off);
		if (off && source)
			report(
				"warning",
				"IST0167",
				policy,
				["spec", "rules", at],
				`is never met on ${off.name}: ${nameOf(source)} turns mutual TLS off there, so no client has an identity`,
				"use PERMISSIVE or STRICT there, or ask for addresses (ipBlocks)",
			);
	}
}

const identityFields = ["principals", "namespaces", "serviceAccounts", "trustDomains"] as const;

function needsIdentity(rule: AuthorizationRule): boolean {
	const byCondition = (rule.when ?? []).some(
		({ key, values }) => /^source\.(?:principal|namespace|serviceAccount|trustDomain)$/.test(key) && values?.length,
	);
	return byCondition || everySource(rule, (source) => identityFields.some((field) => source[field]?.length));
}

/** Tokens are verified by a RequestAuthentication only: without one no request has a principal, audience or claim. */
function checkTokens(policy: Policy, workloads: readonly KnownWorkload[], guarded: Guarded, report: Report): void {
	const at = (policy.spec.rules ?? []).findIndex(needsToken);
	if (at < 0) return;
	const without = workloads.find((workload) => !guarded.verifiesTokens(workload));
	if (without)
		report(
			"warning",
			"IST0167",
			policy,
			["spec", "rules", at],
			`is never met on ${without.name}: no RequestAuthentication verifies tokens there`,
			"add a RequestAuthentication for the workload",
		);
}

function needsToken(rule: AuthorizationRule): boolean {
	const byCondition = (rule.when ?? []).some(({ key, values }) => key.startsWith("request.auth.") && values?.length);
	return byCondition || everySource(rule, (source) => source.requestPrincipals?.length);
}

function everySource(rule: AuthorizationRule, holds: (source: AuthorizationSource) => number | boolean | undefined) {
	const sources = rule.from ?? [];
	return sources.length > 0 && sources.every(({ source }) => source !== undefined && Boolean(holds(source)));
}
