// Values of keepalived.conf: numbers and times in keepalived's ranges. What is out of range is reported and not taken.

import { ipFamilyOf } from "../../hotswitch/ip-text.ts";
import { type BlockContext, error } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";

export interface Range {
	readonly min: number;
	readonly max: number;
	/** What is in force instead: "100 is taken". */
	readonly otherwise: string;
}

/** A whole number without anything around it; undefined after an error. */
export function wholeValue(
	word: string,
	range: Range,
	statement: Statement,
	context: BlockContext,
): number | undefined {
	const number = /^[+-]?\d+$/.test(word) ? Number(word) : Number.NaN;
	if (number >= range.min && number <= range.max) return number;
	outOfRange(word, range, "a whole number", statement, context);
	return undefined;
}

/** Seconds with up to six decimals, as whole microseconds; undefined after an error. */
export function microsValue(
	word: string,
	range: Range,
	statement: Statement,
	context: BlockContext,
): number | undefined {
	const seconds = secondsOf(word);
	if (seconds !== undefined && seconds >= range.min && seconds <= range.max) return Math.round(seconds * 1e6);
	outOfRange(word, range, "seconds", statement, context);
	return undefined;
}

export function secondsOf(word: string): number | undefined {
	return /^\+?(?:\d+\.?\d*|\.\d+)$/.test(word) ? Number(word) : undefined;
}

function outOfRange(word: string, range: Range, what: string, statement: Statement, context: BlockContext): void {
	const max = range.max >= 1e9 ? "" : ` to ${range.max}`;
	error(
		context,
		statement,
		`${JSON.stringify(word)} is not valid: ${range.otherwise}`,
		`write ${what} from ${range.min}${max}`,
	);
}

/** `10.0.0.1` and `10.0.0.1/24`; the prefix length defaults to the whole address. */
export interface AddressWithPrefix {
	readonly address: string;
	readonly family: "ipv4" | "ipv6";
	readonly prefixLength: number;
	/** Whether the text named it. */
	readonly hasPrefix: boolean;
}

export function addressWithPrefix(text: string): AddressWithPrefix | undefined {
	const slash = text.indexOf("/");
	const address = slash < 0 ? text : text.slice(0, slash);
	const family = familyOf(address);
	if (family === undefined) return undefined;
	const longest = family === "ipv4" ? 32 : 128;
	if (slash < 0) return { address, family, prefixLength: longest, hasPrefix: false };
	const prefix = text.slice(slash + 1);
	const length = /^\d{1,3}$/.test(prefix) ? Number(prefix) : maskLength(prefix);
	if (length === undefined || length > longest) return undefined;
	return { address, family, prefixLength: length, hasPrefix: true };
}

/** `255.255.255.0` -> 24 */
function maskLength(mask: string): number | undefined {
	if (ipFamilyOf(mask) !== 4) return undefined;
	const bits = mask
		.split(".")
		.map((part) => Number(part).toString(2).padStart(8, "0"))
		.join("");
	return /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : undefined;
}

export function familyOf(address: string): "ipv4" | "ipv6" | undefined {
	const family = ipFamilyOf(address);
	return family === undefined ? undefined : family === 4 ? "ipv4" : "ipv6";
}

export function isMulticast(address: string): boolean {
	return familyOf(address) === "ipv4"
		? Number(address.split(".")[0]) >= 224 && Number(address.split(".")[0]) <= 239
		: /^ff/i.test(address);
}

/** `fe80::/10` */
export function isLinkLocal(address: string): boolean {
	return /^fe[89ab]/i.test(address);
}

/** Longest name of an interface: IFNAMSIZ - 1. */
export const maxInterfaceName = 15;
