// AuthorizationPolicy: action, provider and the three parts of each rule.

import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { AuthorizationOperation, AuthorizationRule, AuthorizationSource } from "../kinds/security.ts";
import { checkCondition, isHttpKey } from "./condition-rules.ts";
import { checkDryRun } from "./dry-run-rules.ts";
import { checkPolicyPath } from "./path-template-rules.ts";
import { checkPolicyTargets } from "./policy-target-rules.ts";
import {
	checkAddressRanges,
	checkMethods,
	checkNamespaces,
	checkNoneEmpty,
	checkPatterns,
	checkPorts,
	checkPrincipals,
	checkRequestPrincipals,
	checkServiceAccounts,
} from "./policy-value-rules.ts";

type CheckValues = (values: readonly string[] | undefined, path: Path, findings: Findings) => void;

const sourceFields: readonly (readonly [keyof AuthorizationSource, CheckValues])[] = [
	["principals", checkPrincipals],
	["notPrincipals", checkPrincipals],
	["requestPrincipals", checkRequestPrincipals],
	["notRequestPrincipals", checkRequestPrincipals],
	["namespaces", checkNamespaces],
	["notNamespaces", checkNamespaces],
	["serviceAccounts", checkServiceAccounts],
	["notServiceAccounts", checkServiceAccounts],
	["trustDomains", checkPatterns],
	["notTrustDomains", checkPatterns],
	["ipBlocks", checkAddressRanges],
	["notIpBlocks", checkAddressRanges],
	["remoteIpBlocks", checkAddressRanges],
	["notRemoteIpBlocks", checkAddressRanges],
];

const operationFields: readonly (readonly [keyof AuthorizationOperation, CheckValues])[] = [
	["hosts", checkPatterns],
	["notHosts", checkPatterns],
	["ports", checkPorts],
	["notPorts", checkPorts],
	["methods", checkMethods],
	["notMethods", checkMethods],
	["paths", checkPaths],
	["notPaths", checkPaths],
];

export function checkAuthorizationPolicy(object: ConfigObject<"AuthorizationPolicy">, findings: Findings): void {
	const { spec } = object;
	const { rules = [], action = "ALLOW" } = spec;
	checkDryRun(object, findings);
	checkPolicyTargets(spec, findings);
	if (rules.length === 0 && (action === "DENY" || action === "CUSTOM"))
		findings.error(
			["spec", "rules"],
			`${action} without rules never takes effect`,
			"add rules; the rule {} meets every request",
		);
	if (action === "CUSTOM" && !spec.provider?.name)
		findings.error(
			["spec", "provider"],
			"CUSTOM needs the name of a provider",
			"add provider: { name: ... }, one of MeshConfig's extensionProviders",
		);
	if (action !== "CUSTOM" && spec.provider)
		findings.error(["spec", "provider"], `a provider has no meaning with action ${action}`, "use action: CUSTOM");
	for (const [index, rule] of rules.entries()) {
		const path = ["spec", "rules", index];
		checkRule(rule, path, findings);
		if (action === "CUSTOM") checkCustomRule(rule, path, findings);
	}
}

function checkRule(rule: AuthorizationRule, path: Path, findings: Findings): void {
	for (const part of ["from", "to"] as const)
		if (rule[part]?.length === 0)
			findings.error([...path, part], "is empty: it would match nothing", `remove ${part}, or add an entry`);
	for (const [index, { source }] of (rule.from ?? []).entries())
		checkSource(source ?? {}, [...path, "from", index, "source"], findings);
	for (const [index, { operation }] of (rule.to ?? []).entries()) {
		const at = [...path, "to", index, "operation"];
		const fields = operation ?? {};
		if (operationFields.every(([field]) => !fields[field]?.length))
			findings.error(at, "has no entries: it would match nothing", "add methods, paths, hosts or ports");
		for (const [field, check] of operationFields) check(fields[field], [...at, field], findings);
	}
	for (const [index, condition] of (rule.when ?? []).entries())
		checkCondition(condition, [...path, "when", index], findings);
}

function checkSource(source: AuthorizationSource, path: Path, findings: Findings): void {
	if (sourceFields.every(([field]) => !source[field]?.length))
		findings.error(path, "has no entries: it would match nothing", "add principals, namespaces, ipBlocks, ...");
	for (const [field, check] of sourceFields) check(source[field], [...path, field], findings);
	const accounts = (["serviceAccounts", "notServiceAccounts"] as const).find((field) => source[field]?.length);
	const other = (["principals", "notPrincipals", "namespaces", "notNamespaces"] as const).find(
		(field) => source[field]?.length,
	);
	if (accounts && other)
		findings.error(
			[...path, accounts],
			`${accounts} and ${other} exclude each other`,
			"write NAMESPACE/NAME in serviceAccounts, or use two sources",
		);
}

/** External authorisation is asked before tokens and identities are looked at, so its rules cannot use them. */
function checkCustomRule(rule: AuthorizationRule, path: Path, findings: Findings): void {
	const hint = "use ipBlocks, hosts, paths, methods or ports, or leave the question to the provider";
	const refuse = (at: Path, what: string): void =>
		findings.error(at, `${what} is not supported with action CUSTOM`, hint);
	for (const [index, { source }] of (rule.from ?? []).entries())
		for (const [field] of sourceFields)
			if (source?.[field]?.length && !/ipBlocks$/i.test(field))
				refuse([...path, "from", index, "source", field], field);
	for (const [index, { key }] of (rule.when ?? []).entries())
		if (/^source\.(?!ip$)/.test(key) || key.startsWith("request.auth.")) refuse([...path, "when", index, "key"], key);
}

function checkPaths(values: readonly string[] | undefined, path: Path, findings: Findings): void {
	checkNoneEmpty(values, path, findings);
	for (const [index, value] of (values ?? []).entries())
		if (value !== "") checkPolicyPath(value, [...path, index], findings);
}

/** Does the rule ask for anything that only a request of HTTP has? */
export function usesHttp(rule: AuthorizationRule): boolean {
	const sources = (rule.from ?? []).some(
		({ source }) => source?.requestPrincipals?.length || source?.notRequestPrincipals?.length,
	);
	const operations = (rule.to ?? []).some(({ operation }) => operation && operationUsesHttp(operation));
	return sources || operations || (rule.when ?? []).some(({ key }) => isHttpKey(key));
}

export function operationUsesHttp(operation: AuthorizationOperation): boolean {
	return operationFields.some(([field]) => !/ports$/i.test(field) && (operation[field]?.length ?? 0) > 0);
}
