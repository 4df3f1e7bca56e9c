// Recognises IP addresses and CIDR blocks in text, without any library: what nftables would accept.

export type IpFamily = 4 | 6;

/** The family of an address such as `10.1.0.5` or `fd00::5`; undefined when it is none. */
export function ipFamilyOf(text: string): IpFamily | undefined {
	if (isIpv4(text)) return 4;
	return isIpv6(text) ? 6 : undefined;
}

/** The family of `10.0.0.0/8`, `fd00::/8` or a plain address; undefined when it is none. */
export function cidrFamilyOf(text: string): IpFamily | undefined {
	const slash = text.indexOf("/");
	if (slash < 0) return ipFamilyOf(text);
	const family = ipFamilyOf(text.slice(0, slash));
	const length = text.slice(slash + 1);
	if (family === undefined || !/^\d{1,3}$/.test(length)) return undefined;
	return Number(length) <= (family === 4 ? 32 : 128) ? family : undefined;
}

function isIpv4(text: string): boolean {
	const parts = text.split(".");
	return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
	if (!/^[0-9a-fA-F:.]+$/.test(text)) return false;
	const halves = text.split("::");
	if (halves.length > 2) return false;
	const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
	const last = groups.at(-1);
	const mapped = last?.includes(".") === true;
	if (mapped && !isIpv4(last)) return false;
	const hex = mapped ? groups.slice(0, -1) : groups;
	if (!hex.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
	const count = hex.length + (mapped ? 2 : 0);
	return halves.length === 2 ? count < 8 : count === 8;
}
