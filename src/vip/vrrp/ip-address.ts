// Addresses as bytes in network order, the form in which adverts carry them and in which equal priorities are compared.

/** 4 or 16 bytes; undefined for text that is no address. A zone (`%eth0`) is passed over. */
export function ipAddressBytes(text: string): Uint8Array | undefined {
	const zone = text.indexOf("%");
	const address = zone < 0 ? text : text.slice(0, zone);
	return address.includes(":") ? ipv6Bytes(address) : ipv4Bytes(address);
}

/** Below 0, 0 or above 0, as unsigned numbers in network order. */
export function compareIpAddresses(a: Uint8Array, b: Uint8Array): number {
	for (let index = 0; index < a.length && index < b.length; index++) {
		const difference = (a[index] ?? 0) - (b[index] ?? 0);
		if (difference !== 0) return difference;
	}
	return a.length - b.length;
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticastAddress(address: Uint8Array): boolean {
	const first = address[0] ?? 0;
	return address.length === 4 ? first >= 224 && first < 240 : first === 255;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
	const parts = text.split(".");
	if (parts.length !== 4) return undefined;
	const bytes = new Uint8Array(4);
	for (const [index, part] of parts.entries()) {
		if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
		bytes[index] = Number(part);
	}
	return bytes;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
	const halves = text.split("::");
	if (halves.length > 2) return undefined;
	const front = groupsOf(halves[0] ?? "");
	const back = halves.length === 2 ? groupsOf(halves[1] ?? "") : [];
	if (!front || !back) return undefined;
	const missing = 8 - front.length - back.length;
	if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
	const groups = [...front, ...new Array<number>(missing).fill(0), ...back];
	return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

function groupsOf(text: string): readonly number[] | undefined {
	if (text === "") return [];
	const groups: number[] = [];
	for (const part of text.split(":")) {
		if (part.includes(".")) {
			const bytes = ipv4Bytes(part);
			if (!bytes) return undefined;
			groups.push(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0), ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0));
		} else {
			if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
			groups.push(Number.parseInt(part, 16));
		}
	}
	return groups;
}
