// Host names as Istio's rules see them: short names, wildcards (`*`, `*.example.com`), and which of two is more specific.

/** `reviews` in namespace `default` -> `reviews.default.svc.cluster.local`; names with a dot and `*` stay as they are. */
export function fullHostname(host: string, namespace: string, domainSuffix: string): string {
	if (host === "" || host.includes(".") || host.startsWith("*")) return host;
	return `${host}.${namespace}.svc.${domainSuffix}`;
}

export function isWildcard(host: string): boolean {
	return host.startsWith("*");
}

/** Whether every name that `host` stands for is one of those that `pattern` stands for. */
export function hostWithin(host: string, pattern: string): boolean {
	if (!isWildcard(pattern)) return host === pattern;
	const hostSuffix = isWildcard(host) ? host.slice(1) : host;
	return hostSuffix.endsWith(pattern.slice(1));
}

/** What both stand for: the narrower of the two, or undefined when they have nothing in common. */
export function commonHost(a: string, b: string): string | undefined {
	if (hostWithin(a, b)) return a;
	return hostWithin(b, a) ? b : undefined;
}

/** Order of lookup: exact names first, then the longer suffix first. */
export function bySpecificity(a: string, b: string): number {
	return Number(isWildcard(a)) - Number(isWildcard(b)) || b.length - a.length;
}
