// RequestAuthentication: whose tokens are accepted, where they are looked for, and what becomes of them.

import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { JwtRule } from "../kinds/security.ts";
import { refuseDryRun } from "./dry-run-rules.ts";
import { checkHeaderName } from "./header-rules.ts";
import { checkKeySet } from "./key-set-rules.ts";
import { checkFetchUri, fetchUriError } from "./key-uri-rules.ts";
import { checkPolicyTargets } from "./policy-target-rules.ts";

export function checkRequestAuthentication(object: ConfigObject<"RequestAuthentication">, findings: Findings): void {
	const { jwtRules = [] } = object.spec;
	refuseDryRun(object, findings);
	checkPolicyTargets(object.spec, findings);
	const issuers = new Set<string>();
	for (const [index, rule] of jwtRules.entries()) {
		const path = ["spec", "jwtRules", index];
		checkIssuer(rule, path, findings);
		checkKeys(rule, path, findings);
		checkLocations(rule, path, findings);
		checkOutputs(rule, path, findings);
		for (const field of ["audiences", "spaceDelimitedClaims"] as const)
			for (const [entry, value] of (rule[field] ?? []).entries())
				if (value === "") findings.error([...path, field, entry], "is an empty text", "remove it");
		if (issuers.has(rule.issuer))
			findings.warning(
				[...path, "issuer"],
				`${rule.issuer} has a rule already: a token that meets one of them is accepted`,
				"merge the two, unless they differ in audiences or keys on purpose",
			);
		issuers.add(rule.issuer);
	}
}

function checkIssuer(rule: JwtRule, path: Path, findings: Findings): void {
	if (rule.issuer === "")
		findings.error([...path, "issuer"], "the issuer is empty", "write the iss claim of the tokens");
	else if (rule.issuer !== rule.issuer.trim())
		findings.warning(
			[...path, "issuer"],
			`${JSON.stringify(rule.issuer)} begins or ends with a blank: it is compared letter by letter`,
			"remove the blank",
		);
}

/** Keys stand in the rule, come from an address, or are discovered from the issuer's address. */
function checkKeys(rule: JwtRule, path: Path, findings: Findings): void {
	if ("jwks_uri" in rule)
		findings.error([...path, "jwks_uri"], "is the older name of jwksUri, which is there too", "keep jwksUri");
	if (rule.jwks !== undefined && rule.jwksUri !== undefined)
		findings.error([...path, "jwks"], "jwks and jwksUri exclude each other", "keep one of them");
	if (rule.jwks !== undefined) checkKeySet(rule.jwks, [...path, "jwks"], findings);
	if (rule.jwksUri !== undefined) checkFetchUri(rule.jwksUri, [...path, "jwksUri"], findings);
	if (rule.jwks !== undefined || rule.jwksUri !== undefined || rule.issuer === "") return;
	const wrong = fetchUriError(rule.issuer);
	if (!wrong) return;
	const problem = wrong.refused ? findings.error : findings.warning;
	problem(
		[...path, "issuer"],
		`there is nowhere to get keys from: as an address, the issuer ${wrong.message}`,
		"add jwksUri or jwks",
	);
}

function checkLocations(rule: JwtRule, path: Path, findings: Findings): void {
	for (const [index, { name }] of (rule.fromHeaders ?? []).entries())
		checkHeaderName(name, [...path, "fromHeaders", index, "name"], findings);
	for (const field of ["fromParams", "fromCookies"] as const)
		for (const [index, name] of (rule[field] ?? []).entries())
			if (name === "") findings.error([...path, field, index], "the name is empty", "name one, or remove the entry");
	for (const [index, name] of (rule.fromCookies ?? []).entries())
		if (/[\s=;,"]/.test(name))
			findings.error(
				[...path, "fromCookies", index],
				`${JSON.stringify(name)} is not a name of a cookie`,
				"use letters, digits, - and _",
			);
}

function checkOutputs(rule: JwtRule, path: Path, findings: Findings): void {
	if (rule.outputPayloadToHeader !== undefined)
		checkHeaderName(rule.outputPayloadToHeader, [...path, "outputPayloadToHeader"], findings);
	const headers = new Set<string>();
	for (const [index, { header, claim }] of (rule.outputClaimToHeaders ?? []).entries()) {
		const at = [...path, "outputClaimToHeaders", index];
		checkHeaderName(header, [...at, "header"], findings);
		if (claim === "")
			findings.error([...at, "claim"], "the name of the claim is empty", "name one, a.b for a nested one");
		if (headers.has(header.toLowerCase()))
			findings.warning([...at, "header"], `${header} gets the value of a claim above already`, "use another header");
		headers.add(header.toLowerCase());
	}
}
