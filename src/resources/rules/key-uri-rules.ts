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
	"100.100.100.200",
	"168.63.129.16",
	"[fd00:ec2::254]",
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

/** Why nothing is fetched from this host (a name, an IPv4 address, an IPv6 address with or without brackets). */
export function refusedHost(host: string): string | undefined {
	const url = parseUrl(`http://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}/`);
	const name = (url?.hostname ?? host).toLowerCase().replace(/\.$/, "");
	if (metadataHosts.has(name)) return "it is a cloud's metadata service";
	if (name === "localhost" || name.endsWith(".localhost")) return ownMachine;
	return refusedIpv4(name) ?? (name.startsWith("[") ? refusedIpv6(name.slice(1, -1)) : undefined);
}

function refusedIpv4(address: string): string | undefined {
	if (!/^\d+(?:\.\d+){3}$/.test(address)) return undefined;
	if (metadataHosts.has(address)) return "it is a cloud's metadata service";
	const [first = 0, second = 0] = address.split(".").map(Number);
	if (first === 127) return ownMachine;
	if (first === 0) return "it is the address of nobody";
	if (first === 169 && second === 254) return "it is link-local, where clouds have their metadata service";
	return undefined;
}

/** `address` as the URL parser writes it: lower case, without leading zeros, with `::`. */
function refusedIpv6(address: string): string | undefined {
	if (address === "::1") return ownMachine;
	if (address === "::") return "it is the address of nobody";
	if (/^fe[89ab]/.test(address)) return "it is link-local";
	// IPv4 in IPv6: mapped (::ffff:a9fe:1), translated (64:ff9b::a9fe:1) and the old form (::a9fe:1).
	const inner = /^(?:::ffff:|64:ff9b::|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
	if (!inner) return undefined;
	const [high, low] = [Number.parseInt(inner[1] ?? "", 16), Number.parseInt(inner[2] ?? "", 16)];
	return refusedIpv4(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`);
}

function parseUrl(text: string): URL | undefined {
	return URL.canParse(text) ? new URL(text) : undefined;
}
