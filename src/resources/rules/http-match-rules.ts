// Conditions of an HTTP route.

import type { Findings, Path } from "../findings.ts";
import type { HttpMatch } from "../kinds/networking.ts";
import { checkGatewayNames } from "./gateway-name-rules.ts";
import { checkMatchHeaderName, isClaimHeader } from "./header-rules.ts";
import { isDnsLabel } from "./host-rules.ts";
import { checkLabels } from "./label-rules.ts";
import { checkStringMatch } from "./string-match-rules.ts";

export function checkHttpMatch(match: HttpMatch, path: Path, forGateway: boolean, findings: Findings): void {
	checkStringMatch(match.uri, [...path, "uri"], findings, { emptyPrefix: true });
	for (const field of ["scheme", "method", "authority"] as const)
		checkStringMatch(match[field], [...path, field], findings);
	for (const field of ["headers", "withoutHeaders"] as const)
		for (const [name, header] of Object.entries(match[field] ?? {})) {
			const at = [...path, field, name];
			checkMatchHeaderName(name, at, findings);
			if (isClaimHeader(name) && !forGateway)
				findings.error(
					at,
					"claims of a token can be matched at a gateway only",
					"bind the VirtualService to a Gateway",
				);
			// A lone * is the old way to say "is there".
			if (field !== "withoutHeaders" || header.regex !== "*")
				checkStringMatch(header, at, findings, { mayBeEmpty: true });
		}
	for (const [name, parameter] of Object.entries(match.queryParams ?? {})) {
		const at = [...path, "queryParams", name];
		if (name === "") findings.error(at, "the name of the parameter is empty", "name the parameter");
		else if (name.length > 1024)
			findings.error(at, "the name of the parameter is longer than the 1024 bytes that Envoy takes", "shorten it");
		checkStringMatch(parameter, at, findings, { mayBeEmpty: true });
	}
	checkLabels(match.sourceLabels, [...path, "sourceLabels"], findings);
	checkGatewayNames(match.gateways, [...path, "gateways"], findings);
	if (match.sourceNamespace && !isDnsLabel(match.sourceNamespace))
		findings.error(
			[...path, "sourceNamespace"],
			`${JSON.stringify(match.sourceNamespace)} is not a namespace`,
			"name one namespace",
		);
}
