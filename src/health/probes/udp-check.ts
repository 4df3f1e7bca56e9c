// UDP_CHECK: a datagram is sent; nobody says that the port is unreachable, or with require_reply, an answer of the right length and
// form comes in time.

import { randomBytes } from "node:crypto";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";
import { exchangeDatagrams } from "./datagram-exchange.ts";
import { fitsPattern, hexPattern } from "./hex-pattern.ts";
import type { CheckTarget } from "./real-server-check.ts";

const randomPayloadBytes = 32;

export function checkUdp(
	check: Extract<RealServerCheck, { type: "udp" }>,
	target: CheckTarget,
	signal: AbortSignal,
): Promise<CheckOutcome> {
	const { minReplyBytes, maxReplyBytes } = check;
	const payload = check.payload === undefined ? undefined : hexPattern(check.payload)?.bytes;
	const pattern = check.reply === undefined ? undefined : hexPattern(check.reply);
	return exchangeDatagrams<CheckOutcome>({
		connection: check.connection,
		target,
		payload: payload ?? randomBytes(randomPayloadBytes),
		signal,
		onError: (because) => ({ ok: false, because }),
		onAnswer: (bytes) => {
			if (!check.requiresReply) return { ok: true, because: "answered" };
			if (bytes.length < minReplyBytes || bytes.length > maxReplyBytes)
				return { ok: false, because: `answered with ${bytes.length} bytes, not ${minReplyBytes} to ${maxReplyBytes}` };
			if (pattern && !fitsPattern(bytes, pattern)) return { ok: false, because: "answered with other bytes" };
			return { ok: true, because: "answered" };
		},
	});
}
