// Paths of an AuthorizationPolicy: exact ones, a * at one end, and templates with {*} and {**}, which Envoy matches as URI
// templates. The rules of templates are Istio's, and what Envoy refuses in one:
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/path/match/uri_template/v3/uri_template_match.proto

import type { Findings, Path } from "../findings.ts";

/** Characters that Envoy takes as they are in a template. */
const literal = /^[A-Za-z0-9\-._~%!$&'()+,;:@=]*$/;

export function isPathTemplate(path: string): boolean {
	return path.includes("{*}") || path.includes("{**}");
}

export function checkPolicyPath(path: string, at: Path, findings: Findings): void {
	const shown = JSON.stringify(path);
	if (isPathTemplate(path)) {
		const wrong = templateError(path);
		if (wrong)
			findings.error(at, `${shown} is not a path template: ${wrong}`, "write it like /users/{*}/orders or /files/{**}");
		return;
	}
	const fixed = path.replace(/^\*|\*$/g, "");
	if (/[{}]/.test(path))
		findings.warning(at, `${shown} is compared letter by letter: { and } are no template`, "write {*} for one segment");
	else if (fixed.includes("*"))
		findings.warning(
			at,
			`${shown} is compared letter by letter: a * counts at the beginning or at the end only`,
			"write {*} for one segment",
		);
	else if (!path.startsWith("/") && !path.startsWith("*"))
		findings.warning(at, `${shown} never matches: every path begins with /`, `write ${JSON.stringify(`/${path}`)}`);
	else if (/[?#]/.test(path))
		findings.warning(
			at,
			`${shown} never matches: paths are compared without the query`,
			"leave out ? and what follows",
		);
}

function templateError(path: string): string | undefined {
	if (!path.startsWith("/")) return "it does not begin with /";
	const segments = path.slice(1).split("/");
	let sawRest = false;
	for (const [index, segment] of segments.entries()) {
		const isOne = segment === "{*}";
		const isRest = segment === "{**}";
		if ((isOne || isRest) && sawRest) return "nothing with a * may follow {**}";
		sawRest ||= isRest;
		if (isOne || isRest) continue;
		if (isPathTemplate(segment))
			return `{*} and {**} stand alone between two slashes, found ${JSON.stringify(segment)}`;
		if (/[*{}]/.test(segment)) return `*, { and } stand for nothing but {*} and {**} in it`;
		if (segment === "" && index < segments.length - 1) return "it has an empty segment";
		if (!literal.test(segment)) return `${JSON.stringify(segment)} holds a character that must be written as %XX`;
	}
	return undefined;
}
