// Values in the lists of an AuthorizationPolicy: addresses, ports, principals and names. Errors for what Istio refuses,
// warnings for what can never match.

import type { Findings, Path } from "../findings.ts";
import { isDnsLabel, isSubnet } from "./host-rules.ts";
import { isPortText } from "./port-text.ts";

type Values = readonly string[] | undefined;

export function checkNoneEmpty(values: Values, path: Path, findings: Findings): void {
	for (const [index, value] of (values ?? []).entries())
		if (value === "")
			findings.error([...path, index], "is an empty text, which nothing matches", 'remove it, or write "*" for any');
}

export function checkAddressRanges(values: Values, path: Path, findings: Findings): void {
	for (const [index, value] of (values ?? []).entries())
		if (!isSubnet(value))
			findings.error(
				[...path, index],
				`must be an address or a range of addresses, found ${JSON.stringify(value)}`,
				"write it like 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32",
			);
}

export function checkPorts(values: Values, path: Path, findings: Findings): void {
	for (const [index, value] of (values ?? []).entries())
		if (!isPortText(value))
			findings.error(
				[...path, index],
				`must be a port number up to 65535, found ${JSON.stringify(value)}`,
				'write one number in quotes, such as "8080"; each of several ports is an entry',
			);
}

export function checkServiceAccounts(values: Values, path: Path, findings: Findings): void {
	for (const [index, value] of (values ?? []).entries()) {
		const parts = value.split("/");
		if (parts.length > 2 || parts.some((part) => part === "" || part.includes("*")))
			findings.error(
				[...path, index],
				`must be a service account, found ${JSON.stringify(value)}`,
				"write NAME or NAMESPACE/NAME, without *",
			);
	}
}

/** Of connections, `TRUST-DOMAIN/ns/NAMESPACE/sa/NAME`. */
export function checkPrincipals(values: Values, path: Path, findings: Findings): void {
	checkNoneEmpty(values, path, findings);
	for (const [index, value] of (values ?? []).entries()) {
		if (value.startsWith("spiffe://"))
			findings.warning(
				[...path, index],
				`${JSON.stringify(value)} never matches: principals stand without spiffe://`,
				`write ${value.slice("spiffe://".length)}`,
			);
		else if (!hasEndWildcard(value) && value !== "" && !/^[^/]+\/ns\/[^/]+\/sa\/[^/]+$/.test(value))
			findings.warning(
				[...path, index],
				`${JSON.stringify(value)} never matches: it is not a principal`,
				"write TRUST-DOMAIN/ns/NAMESPACE/sa/NAME, for example cluster.local/ns/default/sa/reviews",
			);
		checkInnerWildcard(value, [...path, index], findings);
	}
}

/** Of tokens, `ISSUER/SUBJECT`. */
export function checkRequestPrincipals(values: Values, path: Path, findings: Findings): void {
	checkNoneEmpty(values, path, findings);
	for (const [index, value] of (values ?? []).entries()) {
		if (!hasEndWildcard(value) && value !== "" && !value.includes("/"))
			findings.warning(
				[...path, index],
				`${JSON.stringify(value)} never matches: it is not a principal of a token`,
				'write ISSUER/SUBJECT, or "*" for any verified token',
			);
		checkInnerWildcard(value, [...path, index], findings);
	}
}

export function checkNamespaces(values: Values, path: Path, findings: Findings): void {
	checkNoneEmpty(values, path, findings);
	for (const [index, value] of (values ?? []).entries())
		if (value !== "" && !hasEndWildcard(value) && !isDnsLabel(value))
			findings.warning(
				[...path, index],
				`${JSON.stringify(value)} never matches: it is not a namespace`,
				"name one namespace; * counts at the beginning or at the end",
			);
}

/** Names with a * at one end, or none. */
export function checkPatterns(values: Values, path: Path, findings: Findings): void {
	checkNoneEmpty(values, path, findings);
	for (const [index, value] of (values ?? []).entries()) checkInnerWildcard(value, [...path, index], findings);
}

export function checkMethods(values: Values, path: Path, findings: Findings): void {
	checkPatterns(values, path, findings);
	for (const [index, value] of (values ?? []).entries())
		if (/[a-z]/.test(value))
			findings.warning(
				[...path, index],
				`${JSON.stringify(value)} never matches: methods are in capital letters`,
				`write ${value.toUpperCase()}`,
			);
}

function hasEndWildcard(value: string): boolean {
	return value.startsWith("*") || value.endsWith("*");
}

/** Istio's patterns know one *, at an end: any other is a letter like the rest. */
function checkInnerWildcard(value: string, path: Path, findings: Findings): void {
	const rest = value.startsWith("*") ? value.slice(1) : value.replace(/\*$/, "");
	if (value !== "*" && rest.includes("*"))
		findings.warning(
			path,
			`${JSON.stringify(value)} never matches as meant: one * counts, at the beginning or at the end`,
			"write one entry for each case",
		);
}
