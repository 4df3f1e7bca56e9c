// Addresses from text to bytes in place, without garbage: a first sync has several hundred thousand of them. In: text. Out: bytes
// in network order. Throws on text that is no such address: plans are made of checked values.

import { addressBytes } from "../ip-text.ts";

const [dot, colon, zero, nine] = [46, 58, 48, 57];

export function writeIpv4(bytes: Buffer, offset: number, text: string): void {
	let at = offset;
	let part = 0;
	let digits = 0;
	for (let index = 0; index <= text.length; index++) {
		const code = index === text.length ? dot : text.charCodeAt(index);
		if (code === dot) {
			if (digits === 0 || part > 255 || at > offset + 3) throw new Error(`${text} is no IPv4 address`);
			bytes[at++] = part;
			part = 0;
			digits = 0;
		} else {
			if (code < zero || code > nine) throw new Error(`${text} is no IPv4 address`);
			part = part * 10 + code - zero;
			digits++;
		}
	}
	if (at !== offset + 4) throw new Error(`${text} is no IPv4 address`);
}

export function writeIpv6(bytes: Buffer, offset: number, text: string): void {
	if (writeUsualIpv6(bytes, offset, text)) return;
	const address = addressBytes(text);
	if (address.length !== 16) throw new Error(`${text} is no IPv6 address`);
	bytes.set(address, offset);
}

/** false for rare forms and for text that is no address. */
function writeUsualIpv6(bytes: Buffer, offset: number, text: string): boolean {
	let at = offset;
	let gap = -1;
	let group = 0;
	let digits = 0;
	for (let index = 0; index <= text.length; index++) {
		const code = index === text.length ? colon : text.charCodeAt(index);
		if (code === colon) {
			if (digits > 0) {
				if (at > offset + 14) return false;
				bytes[at++] = group >> 8;
				bytes[at++] = group;
				group = 0;
				digits = 0;
				// A colon at the end belongs to a gap.
				if (index === text.length - 1) return false;
			} else if (index < text.length) {
				if (text.charCodeAt(index + 1) === colon && index === 0) index++;
				else if (index === 0) return false;
				if (gap >= 0) return false;
				gap = at;
			}
			continue;
		}
		const digit = hexDigit(code);
		if (digit < 0 || ++digits > 4) return false;
		group = (group << 4) | digit;
	}
	if (gap < 0 ? at !== offset + 16 : at > offset + 14) return false;
	if (gap >= 0 && at < offset + 16) {
		const moved = at - gap;
		bytes.copyWithin(offset + 16 - moved, gap, at);
		bytes.fill(0, gap, Math.max(gap, offset + 16 - moved));
	}
	return true;
}

function hexDigit(code: number): number {
	if (code >= zero && code <= nine) return code - zero;
	const letter = code | 32;
	return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
