// Addresses that the control plane fetches keys from. It sits where clouds answer with their secrets, so addresses of its
// link and of metadata services are refused in whatever way they are written. Addresses of the machine itself are fetched
// from only where the control plane was told to, in labs: here they are warned of.

import type { Findings, Path } from "../findings.ts";

/** `refused`: for the safety of the control plane; else it is only no address that can be fetched. */
export interface FetchUriError {
	readonly message: string;
	readonly refused: boolean;
	/** Fetched with --allow-loopback-key-sets, and refused without. */
	readonly labOnly?: boolean;
}

const ownMachine = "it is the control plane's own machine";

/** Names and addresses of metadata services outside 169.254.0.0/16. */
const metadataHosts = new Set([
	"metadata",
	"metadata.google.internal",
	"metadata.goog",
	"instance-data",
	"instance-data.ec2.internal",
	// Alibaba, Azure, Oracle.
	"100.100.100.200",
	"168.63.129.16",
	"192.0.0.192",
	// Amazon, Google.
	"[fd00:ec2::254]",
	"[fd20:ce::254]",
]);

export function checkFetchUri(uri: string, path: Path, findings: Findings): void {
	const wrong = fetchUriError(uri);
	if (wrong?.labOnly)
		findings.warning(
			path,
			`${JSON.stringify(uri)} ${wrong.message}`,
			"in a lab, start the control plane with --allow-loopback-key-sets",
		);
	else if (wrong)
		findings.error(path, `${JSON.stringify(uri)} ${wrong.message}`, "write it like https://issuer.example/jwks.json");
}

/** What is wrong with an address of keys, in words that follow it; undefined when it may be fetched. */
export function fetchUriError(uri: string): FetchUriError | undefined {
	const url = parseUrl(uri);
	if (!url) return { message: "is not a URL", refused: false };
	if (url.protocol !== "http:" && url.protocol !== "https:")
		return { message: "does not begin with http:// or https://", refused: false };
	if (url.username !== "" || url.password !== "") return { message: "holds a user name or password", refused: true };
	const what = refusedHost(url.hostname);
	if (what === ownMachine) return { message: `is fetched in labs only: ${what}`, refused: false, labOnly: true };
	return what ? { message: `is not fetched: ${what}`, refused: true } : undefined;
}

/** Why nothing is fetched from this host (a name, an IPv4 address, an IPv6 address with or without brackets or zone). */
export function refusedHost(host: string): string | undefined {
	const bare = host.replace(/%.*$/, "");
	const url = parseUrl(`http://${bare.includes(":") && !bare.startsWith("[") ? `[${bare}]` : bare}/`);
	const name = (url?.hostname ?? bare).toLowerCase().replace(/\.$/, "");
	if (metadataHosts.has(name)) return "it is a cloud's metadata service";
	if (name === "localhost" || name.endsWith(".localhost")) return ownMachine;
	return refusedIpv4(name) ?? (name.startsWith("[") ? refusedIpv6(name.slice(1, -1)) : undefined);
}

/** Refused except in labs. */
export function isOwnMachine(host: string): boolean {
	return refusedHost(host) === ownMachine;
}

function refusedIpv4(address: string): string | undefined {
	if (!/^\d+(?:\.\d+){3}$/.test(address)) return undefined;
	if (metadataHosts.has(address)) return "it is a cloud's metadata service";
	const [first = 0, second = 0] = address.split(".").map(Number);
	if (first === 127) return ownMachine;
	if (first === 0) return "it is the address of nobody";
	if (first === 169 && second === 254) return "it is link-local, where clouds have their metadata service";
	if (first >= 224) return "it is no address of one machine";
	return undefined;
}

/** `address` as the URL parser writes it: lower case, hexadecimal, without leading zeros, with `::`. */
function refusedIpv6(address: string): string | undefined {
	if (address === "::1") return ownMachine;
	if (address === "::") return "it is the address of nobody";
	if (/^fe[89ab]/.test(address)) return "it is link-local";
	if (address.startsWith("ff")) return "it is no address of one machine";
	const inner = ipv4Inside(groupsOf(address));
	return inner === undefined ? undefined : refusedIpv4(inner);
}

/** IPv4 in IPv6: mapped (::ffff:a9fe:1), the old form (::a9fe:1), NAT64's (64:ff9b::a9fe:1), 6to4's (2002:a9fe:1::). */
function ipv4Inside(groups: readonly number[]): string | undefined {
	const ipv4 = (at: number): string => {
		const [high = 0, low = 0] = groups.slice(at);
		return [high >> 8, high & 255, low >> 8, low & 255].join(".");
	};
	const isZero = groups.slice(0, 5).every((group) => group === 0);
	if (isZero && (groups[5] === 0xffff || groups[5] === 0)) return ipv4(6);
	if (groups[0] === 0x64 && groups[1] === 0xff9b) return ipv4(6);
	return groups[0] === 0x2002 ? ipv4(1) : undefined;
}

function groupsOf(address: string): readonly number[] {
	const numbers = (part: string): readonly number[] =>
		part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
	const [head = "", tail = ""] = address.split("::");
	const [before, after] = [numbers(head), numbers(tail)];
	const zeros = Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0);
	return [...before, ...zeros, ...after];
}

function parseUrl(text: string): URL | undefined {
	return URL.canParse(text) ? new URL(text) : undefined;
}
