// Syntax of host names, addresses and ports as Istio's validation has them.
// Functions return what is wrong, or undefined; the callers add path and hint.

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/i;
const strictDnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
/** A first label may be `*`, or begin with one: `*-suffix`. */
const wildcardLabel = /^(?:\*|\*?(?:-[a-z0-9]|[a-z0-9])(?:[-a-z0-9]{0,61}[a-z0-9])?)$/i;

/** One part of a host name; names of subsets, ports and namespaces in Istio's fields. Capital letters are let through. */
export function isDnsLabel(text: string): boolean {
	return dnsLabel.test(text);
}

/** Kubernetes' names of one part. */
export function isKubernetesLabel(text: string): boolean {
	return strictDnsLabel.test(text);
}

/** Kubernetes' names with dots. */
export function isDnsSubdomain(text: string): boolean {
	return text.length <= 253 && text.split(".").every((part) => strictDnsLabel.test(part));
}

/** A full name, or a short one: no wildcards. */
export function hostnameError(host: string): string | undefined {
	return lengthError(host) ?? labelsError(host, host);
}

/** A name whose first label may be a wildcard: `*.example.com`, `*`. */
export function wildcardHostError(host: string): string | undefined {
	const tooLong = lengthError(host);
	if (tooLong) return tooLong;
	const dot = host.indexOf(".");
	const first = dot < 0 ? host : host.slice(0, dot);
	if (!wildcardLabel.test(first))
		return `${JSON.stringify(host)} is not a valid host name (part ${JSON.stringify(first)})`;
	return dot < 0 ? undefined : labelsError(host.slice(dot + 1), host);
}

/** `*.com` is fine, `*abc.com` is not a wildcard that can be matched everywhere. */
export function isPartialWildcard(host: string): boolean {
	return host.includes("*") && host.length > 1 && !host.startsWith("*.");
}

function lengthError(host: string): string | undefined {
	if (host === "") return "the host name is empty";
	if (host.length > 255) return `the host name has ${host.length} characters, 255 are allowed`;
	return undefined;
}

/** What is wrong with `labels`, the whole of `host` or what follows its first part. */
function labelsError(labels: string, host: string): string | undefined {
	const parts = labels.split(".");
	const last = parts.at(-1) ?? "";
	if (/^\d+$/.test(last)) return `${JSON.stringify(host)} is not a valid host name (its last part is a number)`;
	for (const [index, part] of parts.entries()) {
		// A final dot marks a name as complete: `example.com.`
		if (part === "" && index === parts.length - 1 && index > 0) return undefined;
		if (!dnsLabel.test(part)) return `${JSON.stringify(host)} is not a valid host name (part ${JSON.stringify(part)})`;
	}
	return undefined;
}

/** What a host of a Gateway (`ns/host` or `host`) or a Sidecar (always `ns/host`) gets wrong. */
export function scopedHostError(host: string, kind: "Gateway" | "Sidecar"): string | undefined {
	const slash = host.indexOf("/");
	if (slash < 0) {
		if (kind === "Sidecar") return `${JSON.stringify(host)} has no namespace`;
		return scopedNameError(host, kind);
	}
	const namespace = host.slice(0, slash);
	const name = host.slice(slash + 1);
	if (namespace === "" || name === "") return `${JSON.stringify(host)} has an empty part`;
	// A Sidecar may exclude: `~/*` everything, `~ns/host` some hosts of a namespace.
	const bare = kind === "Sidecar" && namespace.startsWith("~") && namespace.length > 1 ? namespace.slice(1) : namespace;
	const special = kind === "Sidecar" ? ["*", ".", "~"] : ["*", "."];
	if (!special.includes(bare) && !isDnsLabel(bare)) return `${JSON.stringify(namespace)} is not a namespace`;
	return scopedNameError(name, kind);
}

function scopedNameError(name: string, kind: "Gateway" | "Sidecar"): string | undefined {
	if (kind === "Gateway" && isIpAddress(name)) return undefined;
	if (name !== "*" && !name.includes(".")) return `${JSON.stringify(name)} is a short name`;
	if (isPartialWildcard(name)) return `${JSON.stringify(name)} has a wildcard inside a part`;
	return wildcardHostError(name);
}

export function isIpAddress(text: string): boolean {
	return isIpv4(text) || isIpv6(text);
}

function isIpv4(text: string): boolean {
	const parts = text.split(".");
	return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
	const address = text.replace(/%[\w.-]+$/, "");
	if (!address.includes(":") || /:::|[^0-9a-fA-F:.]/.test(address)) return false;
	const halves = address.split("::");
	if (halves.length > 2) return false;
	const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
	const last = groups.at(-1);
	if (last?.includes(".")) {
		if (!isIpv4(last)) return false;
		groups.splice(-1, 1, "0", "0");
	}
	if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
	return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

/** An address, or a block of them: `10.0.0.0/8`, `2001:db8::/32`. */
export function isSubnet(text: string): boolean {
	const slash = text.indexOf("/");
	if (slash < 0) return isIpAddress(text);
	const address = text.slice(0, slash);
	const bits = text.slice(slash + 1);
	if (!/^(?:0|[1-9]\d{0,2})$/.test(bits) || !isIpAddress(address)) return false;
	return Number(bits) <= (isIpv4(address) ? 32 : 128);
}

/** What is wrong with the part of a Unix socket address behind `unix://`. */
export function unixSocketError(path: string): string | undefined {
	if (path === "") return "the path of the Unix socket is empty";
	// Abstract sockets begin with @.
	if (path.startsWith("@") || (path.startsWith("/") && !path.endsWith("/"))) return undefined;
	return `${JSON.stringify(path)} is not an absolute path of a file`;
}

/** Istio's rule of hosts: does the wildcard or name `host` cover every name that `other` covers? */
export function hostCovers(host: string, other: string): boolean {
	if (host === other || host === "*") return true;
	if (!host.startsWith("*")) return false;
	const suffix = host.slice(1);
	return other.startsWith("*") ? other.slice(1).endsWith(suffix) : other.endsWith(suffix);
}

/** Is there a name that both hosts match? */
export function hostsOverlap(a: string, b: string): boolean {
	return hostCovers(a, b) || hostCovers(b, a);
}
