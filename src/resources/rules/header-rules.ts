// Names and values of HTTP headers, in matches and in operations on requests and responses.

import type { Findings, Path } from "../findings.ts";
import type { HeaderOperations, Headers } from "../kinds/networking.ts";
import { envoyVariablesIn } from "../text/envoy-variables.ts";

const headerName = /^[-_A-Za-z0-9]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the rule is about
const controlCharacter = /[\u0000-\u0008\u000a-\u001f\u007f]/;
/** Envoy refuses a whole route table for a longer name, or value. */
const longestBytes = 16_384;

export function checkHeaderName(name: string, path: Path, findings: Findings): void {
	if (!headerName.test(name))
		findings.error(path, `${JSON.stringify(name)} is not a header name`, "use letters, digits, - and _");
}

/** In matches, `@request.auth.claims.x.y` and `@request.auth.claims[x][y]` stand for a claim of the request's token. */
export function checkMatchHeaderName(name: string, path: Path, findings: Findings): void {
	if (!isClaimHeader(name)) checkHeaderName(name, path, findings);
}

export function isClaimHeader(name: string): boolean {
	return /^@request\.auth\.claims(?:(?:\.[^.]+)+|(?:\[[^[\]]+\])+)$/i.test(name);
}

export function checkHeaders(headers: Headers | undefined, path: Path, findings: Findings): void {
	checkOperations(headers?.request, [...path, "request"], true, findings);
	checkOperations(headers?.response, [...path, "response"], false, findings);
}

function checkOperations(
	operations: HeaderOperations | undefined,
	path: Path,
	isRequest: boolean,
	findings: Findings,
): void {
	for (const operation of ["set", "add"] as const)
		for (const [name, value] of Object.entries(operations?.[operation] ?? {})) {
			const at = [...path, operation, name];
			checkOperationName(name, at, isRequest, findings);
			checkHeaderText(value, at, findings);
			const { unknown, hasLonePercent } = envoyVariablesIn(value);
			if (hasLonePercent)
				findings.error(
					at,
					`${JSON.stringify(value)} has a lone %`,
					"write %% for a percent sign, %NAME% for a variable of Envoy",
				);
			for (const variable of unknown)
				findings.warning(
					at,
					`Envoy has no variable ${variable}: it is sent as text`,
					"write %% for a percent sign; %REQ(x-a)% and %PROTOCOL% are variables",
				);
		}
	for (const [index, name] of (operations?.remove ?? []).entries())
		checkOperationName(name, [...path, "remove", index], false, findings);
}

function checkOperationName(name: string, path: Path, mayBeAuthority: boolean, findings: Findings): void {
	if (name === "") findings.error(path, "the name of the header is empty", "name the header");
	else if (!checkHeaderText(name, path, findings)) return;
	else if (mayBeAuthority && isAuthorityHeader(name)) return;
	else if (name.startsWith(":") || name.toLowerCase() === "host")
		findings.error(
			path,
			`${JSON.stringify(name)} cannot be changed here`,
			"use rewrite.authority for the host name; other : headers are fixed",
		);
}

/** What is sent as a header, or as a part of one: false, with a finding, when Envoy would not take it. */
export function checkHeaderText(text: string | undefined, path: Path, findings: Findings): boolean {
	if (text === undefined) return true;
	if (controlCharacter.test(text)) findings.error(path, "the value holds a control character", "remove it");
	else if (new TextEncoder().encode(text).length > longestBytes)
		findings.error(path, `is longer than ${longestBytes} bytes, which is more than Envoy takes`, "shorten it");
	else return true;
	return false;
}

export function isAuthorityHeader(name: string): boolean {
	const lower = name.toLowerCase();
	return lower === ":authority" || lower === "host";
}
