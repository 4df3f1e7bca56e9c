// Names of the mesh's trust domain -> the principals that count as one another. Istio's rules: only a principal of the full
// shape TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT is spread over the aliases, and `cluster.local` stands for the local one.

const localPointer = "cluster.local";

/** `trustDomains`: the mesh's own first, then its aliases. */
export function principalsOfAliases(principal: string, trustDomains: readonly string[]): readonly string[] {
	const [trustDomain = "", ...rest] = principal.split("/");
	if (rest.length !== 4 || trustDomain === "*") return [principal];
	const ours = trustDomain === localPointer || trustDomains.some((name) => patternMeets(trustDomain, name));
	if (!ours) return [principal];
	const spread = trustDomains.map((name) =>
		trustDomain.startsWith("*") && name.endsWith(trustDomain.slice(1)) ? principal : [name, ...rest].join("/"),
	);
	return [...new Set(spread)];
}

/** A name of the mesh stands for all of them. */
export function trustDomainsOfAliases(trustDomain: string, trustDomains: readonly string[]): readonly string[] {
	return trustDomains.includes(trustDomain) ? trustDomains : [trustDomain];
}

function patternMeets(pattern: string, text: string): boolean {
	if (pattern.startsWith("*")) return text.endsWith(pattern.slice(1));
	if (pattern.endsWith("*")) return text.startsWith(pattern.slice(0, -1));
	return pattern === text;
}
