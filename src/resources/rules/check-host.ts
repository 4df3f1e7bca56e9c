// Host names in fields: adds what is wrong with one, and warns of capital letters, which never match.

import type { Findings, Path } from "../findings.ts";
import { hostnameError, isIpAddress, wildcardHostError } from "./host-rules.ts";

const hint = "use a DNS name such as reviews, reviews.default.svc.cluster.local or *.example.com";

/** A name that may begin with a wildcard label; addresses where `orAddress`. Returns whether it is good. */
export function checkWildcardHost(host: string, path: Path, findings: Findings, orAddress = false): boolean {
	const wrong = wildcardHostError(host);
	if (wrong && orAddress && isIpAddress(host)) return true;
	return report(host, wrong, path, findings);
}

/** A name without wildcards. */
export function checkHostname(host: string, path: Path, findings: Findings): boolean {
	return report(host, hostnameError(host), path, findings);
}

function report(host: string, wrong: string | undefined, path: Path, findings: Findings): boolean {
	if (wrong) findings.error(path, wrong, hint);
	else if (host !== host.toLowerCase())
		findings.warning(
			path,
			`${JSON.stringify(host)} has capital letters: requests carry the name in lower case`,
			`write ${host.toLowerCase()}`,
		);
	return wrong === undefined;
}
