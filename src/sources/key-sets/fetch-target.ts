// Where key sets may be fetched from. An address in a RequestAuthentication is a request that the control plane sends, from
// where it stands in the network: it must not lead to the machine's metadata service, to the machine itself, or to everybody.

import { BlockList, isIP } from "node:net";

export interface FetchTargetRules {
	/** Also 127.0.0.0/8 and ::1, for labs and tests. Default false. */
	readonly allowLoopback: boolean;
}

export type UrlVerdict = { readonly ok: true; readonly url: URL } | { readonly ok: false; readonly because: string };

const metadataNames: ReadonlySet<string> = new Set([
	"metadata",
	"metadata.google.internal",
	"metadata.goog",
	"instance-data",
	"instance-data.ec2.internal",
]);

const never = blockList(
	["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"],
	["::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128"],
);
/** Metadata services that clouds have at addresses of ordinary ranges: Alibaba, Azure, Oracle. */
const metadataHosts = blockList(["100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"], []);
const loopback = blockList(["127.0.0.0/8"], ["::1/128"]);

/** Before names are resolved. */
export function checkFetchUrl(text: string, rules: FetchTargetRules): UrlVerdict {
	if (!URL.canParse(text)) return { ok: false, because: "it is not a URL" };
	const url = new URL(text);
	if (url.protocol !== "https:" && url.protocol !== "http:") {
		return { ok: false, because: `${url.protocol}// is neither https:// nor http://` };
	}
	if (url.username !== "" || url.password !== "") return { ok: false, because: "it holds a user name or a password" };
	const host = hostOf(url);
	const name = host.toLowerCase().replace(/\.$/, "");
	if (metadataNames.has(name)) return { ok: false, because: `${name} is a cloud's metadata service` };
	if (!rules.allowLoopback && (name === "localhost" || name.endsWith(".localhost"))) {
		return { ok: false, because: loopbackRefused };
	}
	const refused = isIP(host) === 0 ? undefined : refusedAddress(host, rules);
	return refused === undefined ? { ok: true, url } : { ok: false, because: refused };
}

const loopbackRefused = "it is the control plane's own machine";

/** Why nothing is fetched from this address; undefined when it may be. */
export function refusedAddress(address: string, rules: FetchTargetRules): string | undefined {
	const candidates = [address, ...embeddedIpv4(address)];
	for (const one of candidates) {
		const family = isIP(one) === 6 ? "ipv6" : "ipv4";
		if (never.check(one, family)) return "it is a link-local, multicast or unspecified address";
		if (metadataHosts.check(one, family)) return "it is a cloud's metadata service";
		if (!rules.allowLoopback && loopback.check(one, family)) return loopbackRefused;
	}
	return undefined;
}

/** Without the brackets of IPv6. */
export function hostOf(url: URL): string {
	return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

/** IPv4 addresses that an IPv6 one may be led to: mapped, compatible, NAT64's and 6to4's. */
function embeddedIpv4(address: string): readonly string[] {
	if (isIP(address) !== 6) return [];
	const groups = groupsOf(address);
	if (!groups) return [];
	const ipv4 = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join(".");
	const last = ipv4(groups[6] ?? 0, groups[7] ?? 0);
	const leadingZeros = groups.slice(0, 5).every((group) => group === 0);
	// Not ::1, which is an address of its own.
	if (leadingZeros && (groups[5] === 0xffff || (groups[5] === 0 && groups[6] !== 0))) return [last];
	if (groups[0] === 0x64 && groups[1] === 0xff9b) return [last];
	if (groups[0] === 0x2002) return [ipv4(groups[1] ?? 0, groups[2] ?? 0)];
	return [];
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): readonly number[] | undefined {
	// The URL parser writes every form of an address in one way, in hexadecimal.
	const text = `http://[${address.replace(/%.*$/, "")}]`;
	if (!URL.canParse(text)) return undefined;
	const [head = "", tail] = hostOf(new URL(text)).split("::");
	const numbers = (part: string): readonly number[] =>
		part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
	const before = numbers(head);
	const after = tail === undefined ? [] : numbers(tail);
	return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function blockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
	const list = new BlockList();
	for (const [family, ranges] of [["ipv4", ipv4] as const, ["ipv6", ipv6] as const]) {
		for (const range of ranges) {
			const [address = "", length = ""] = range.split("/");
			list.addSubnet(address, Number(length), family);
		}
	}
	return list;
}
