// DNS_CHECK: one question over UDP; good when the answer has no error code, whatever it holds (RFC 1035).

import { randomInt } from "node:crypto";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";
import { exchangeDatagrams } from "./datagram-exchange.ts";
import type { CheckTarget } from "./real-server-check.ts";

const types: Readonly<Record<string, number>> = { A: 1, NS: 2, CNAME: 5, SOA: 6, MX: 15, TXT: 16, AAAA: 28 };
const codes = ["", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
const recursionDesired = 0x0100;

export function checkDns(
	{ connection, query, name }: Extract<RealServerCheck, { type: "dns" }>,
	target: CheckTarget,
	signal: AbortSignal,
): Promise<CheckOutcome> {
	const id = randomInt(65536);
	return exchangeDatagrams<CheckOutcome>({
		connection,
		target,
		payload: question(id, name, types[query] ?? 6),
		signal,
		onError: (because) => ({ ok: false, because }),
		onAnswer: (bytes) => {
			const isOurs = bytes.length >= 12 && bytes.readUInt16BE(0) === id && (bytes.readUInt16BE(2) & 0x8000) !== 0;
			if (!isOurs) return undefined;
			const code = bytes.readUInt16BE(2) & 0xf;
			return { ok: code === 0, because: code === 0 ? "answered" : `answered ${codes[code] ?? `code ${code}`}` };
		},
	});
}

function question(id: number, name: string, type: number): Buffer {
	const header = Buffer.alloc(12);
	header.writeUInt16BE(id, 0);
	header.writeUInt16BE(recursionDesired, 2);
	header.writeUInt16BE(1, 4);
	const labels = name.split(".").filter((label) => label !== "");
	const parts = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
	const end = Buffer.alloc(5);
	end.writeUInt16BE(type, 1);
	end.writeUInt16BE(1, 3);
	return Buffer.concat([header, ...parts, end]);
}
