// Program: sends adverts that no peer sends, from where it is. Arguments: VRID ADDRESS COUNT, for each form, to the group on eth0;
// with INTERFACE SOURCE TO... to those machines. Prints how many left as JSON. All claim priority 255, as VRRP version 3 over IPv4,
// with a checksum that is right unless it is the point.

import { setTimeout as sleep } from "node:timers/promises";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { checksumOfSum, sumOfWords } from "../../vip/vrrp/internet-checksum.ts";

const group = "224.0.0.18";
const [vrid = "", address = "", count = "100", link = "eth0", source, ...peers] = process.argv.slice(2);

const forms: readonly { readonly ttl: number; readonly bytes: Buffer }[] = [
	// Without the key.
	{ ttl: 255, bytes: advert(0x31) },
	// A wrong checksum.
	{ ttl: 255, bytes: damaged(advert(0x31)) },
	// From afar.
	{ ttl: 64, bytes: advert(0x31) },
	// Cut short.
	{ ttl: 255, bytes: advert(0x31).subarray(0, 7) },
	// Another version.
	{ ttl: 255, bytes: advert(0x21) },
	// With something where the key's trailer belongs.
	{ ttl: 255, bytes: withChecksum(Buffer.concat([advert(0x31), Buffer.alloc(48, 0x5a)])) },
];

const network = openLinuxHostNetwork();
const sockets = new Map(
	[255, 64].map((ttl) => {
		const options = { interface: link, family: "ipv4", ttl, ...(source === undefined ? {} : { source }) } as const;
		const transport = peers.length > 0 ? ({ type: "unicast" } as const) : ({ type: "multicast", group } as const);
		const opened = network.openVrrpSocket({ ...options, transport }, () => {});
		if (!opened.ok) throw new Error(opened.message);
		return [ttl, opened.value];
	}),
);
let sent = 0;
for (let round = 0; round < Number(count); round++) {
	for (const { ttl, bytes } of forms)
		for (const to of peers.length > 0 ? peers : [group]) if (sockets.get(ttl)?.send(bytes, to).ok) sent++;
	await sleep(2);
}
console.log(JSON.stringify({ sent }));
process.exit(0);

function advert(versionAndType: number): Buffer {
	const bytes = Buffer.from([versionAndType, Number(vrid), 255, 1, 0, 1, 0, 0, ...address.split(".").map(Number)]);
	return withChecksum(bytes);
}

function withChecksum(bytes: Buffer): Buffer {
	bytes.writeUInt16BE(0, 6);
	bytes.writeUInt16BE(checksumOfSum(sumOfWords(bytes, 0, bytes.length)), 6);
	return bytes;
}

function damaged(bytes: Buffer): Buffer {
	bytes.writeUInt16BE(bytes.readUInt16BE(6) ^ 0xffff, 6);
	return bytes;
}
