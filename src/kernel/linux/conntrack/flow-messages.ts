// Tracked connections as netlink messages. In: a message's bytes, or a flow. Out: a flow, or the attributes that name it.

import type { Flow, FlowFilter, FlowProtocol, FlowTuple } from "../../conntrack-table.ts";
import type { AddressFamily } from "../../host-network.ts";
import * as ct from "../abi/conntrack.ts";
import { NFPROTO_IPV6, nfgenmsgBytes } from "../abi/nfnetlink.ts";
import { addressBytes, addressText } from "../ip-text.ts";
import { forEachAttribute } from "../netlink-message.ts";
import type { BatchWriter } from "../nftables/batch-writer.ts";

const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 };
const protocolNames = new Map<number, FlowProtocol>([
	[6, "tcp"],
	[17, "udp"],
	[132, "sctp"],
]);

export const protocolNumberOf = (protocol: FlowProtocol): number =>
	typeof protocol === "number" ? protocol : protocolNumbers[protocol];

interface ReadTuple extends FlowTuple {
	readonly protocol: number;
}

/** undefined when it names no connection. */
export function decodeFlow(body: Buffer): Flow | undefined {
	let original: ReadTuple | undefined;
	let reply: ReadTuple | undefined;
	let [status, mark, zone, id, timeoutSec] = [0, 0, 0, 0, 0];
	forEachAttribute(body, nfgenmsgBytes, body.length, (type, start, end) => {
		if (type === ct.CTA_TUPLE_ORIG) original = decodeTuple(body, start, end);
		else if (type === ct.CTA_TUPLE_REPLY) reply = decodeTuple(body, start, end);
		else if (type === ct.CTA_STATUS) status = body.readUInt32BE(start);
		else if (type === ct.CTA_MARK) mark = body.readUInt32BE(start);
		else if (type === ct.CTA_ZONE) zone = body.readUInt16BE(start);
		else if (type === ct.CTA_ID) id = body.readUInt32BE(start);
		else if (type === ct.CTA_TIMEOUT) timeoutSec = body.readUInt32BE(start);
	});
	if (!original || !reply) return undefined;
	const { protocol } = original;
	return {
		family: body[0] === NFPROTO_IPV6 ? "ipv6" : "ipv4",
		protocol: protocolNames.get(protocol) ?? protocol,
		original: tupleOf(original),
		reply: tupleOf(reply),
		status: {
			seenReply: (status & ct.IPS_SEEN_REPLY) !== 0,
			assured: (status & ct.IPS_ASSURED) !== 0,
			sourceTranslated: (status & ct.IPS_SRC_NAT) !== 0,
			destinationTranslated: (status & ct.IPS_DST_NAT) !== 0,
		},
		mark,
		zone,
		id,
		timeoutSec,
	};
}

/** Which flow it is, beyond doubt: also its number, so that a later one with the same addresses stays. */
export function writeFlowName(writer: BatchWriter, flow: Flow): void {
	const { original } = flow;
	const tuple = writer.open(ct.CTA_TUPLE_ORIG);
	const ip = writer.open(ct.CTA_TUPLE_IP);
	const ipv6 = flow.family === "ipv6";
	writer.bytes(ipv6 ? ct.CTA_IP_V6_SRC : ct.CTA_IP_V4_SRC, addressBytes(original.source));
	writer.bytes(ipv6 ? ct.CTA_IP_V6_DST : ct.CTA_IP_V4_DST, addressBytes(original.destination));
	writer.close(ip);
	const proto = writer.open(ct.CTA_TUPLE_PROTO);
	writer.bytes(ct.CTA_PROTO_NUM, Uint8Array.of(protocolNumberOf(flow.protocol)));
	writer.bytes(ct.CTA_PROTO_SRC_PORT, portBytes(original.sourcePort));
	writer.bytes(ct.CTA_PROTO_DST_PORT, portBytes(original.destinationPort));
	writer.close(proto);
	writer.close(tuple);
	if (flow.zone !== 0) writer.bytes(ct.CTA_ZONE, portBytes(flow.zone));
	writer.u32(ct.CTA_ID, flow.id);
}

/** What the kernel itself can pass over; older kernels ignore it, so the answers are filtered again. */
export function writeFilter(writer: BatchWriter, family: AddressFamily, filter: FlowFilter): void {
	const { destinationPort, protocol, mark } = filter;
	// For IPv6 the kernel (5.8 to 6.18) lets exactly the wrong ones through.
	const destination = family === "ipv4" ? filter.destination : undefined;
	const { destinationTranslated, seenReply } = filter;
	const mask =
		(destinationTranslated === undefined ? 0 : ct.IPS_DST_NAT) | (seenReply === undefined ? 0 : ct.IPS_SEEN_REPLY);
	if (mask !== 0) {
		writer.u32(ct.CTA_STATUS, (destinationTranslated ? ct.IPS_DST_NAT : 0) | (seenReply ? ct.IPS_SEEN_REPLY : 0));
		writer.u32(ct.CTA_STATUS_MASK, mask);
	}
	if (mark) {
		writer.u32(ct.CTA_MARK, mark.value);
		writer.u32(ct.CTA_MARK_MASK, mark.mask);
	}
	if (protocol === undefined && destination === undefined) return;
	let flags = 0;
	const tuple = writer.open(ct.CTA_TUPLE_ORIG);
	if (destination !== undefined) {
		flags |= ct.CTA_FILTER_F_IP_DST;
		const ip = writer.open(ct.CTA_TUPLE_IP);
		writer.bytes(ct.CTA_IP_V4_DST, addressBytes(destination));
		writer.close(ip);
	}
	if (protocol !== undefined) {
		flags |= ct.CTA_FILTER_F_PROTO_NUM;
		const proto = writer.open(ct.CTA_TUPLE_PROTO);
		writer.bytes(ct.CTA_PROTO_NUM, Uint8Array.of(protocolNumberOf(protocol)));
		if (destinationPort !== undefined) {
			flags |= ct.CTA_FILTER_F_PROTO_DST_PORT;
			writer.bytes(ct.CTA_PROTO_DST_PORT, portBytes(destinationPort));
		}
		writer.close(proto);
	}
	writer.close(tuple);
	const asked = writer.open(ct.CTA_FILTER);
	for (const [attribute, value] of [
		[ct.CTA_FILTER_ORIG_FLAGS, flags],
		[ct.CTA_FILTER_REPLY_FLAGS, 0],
	] as const) {
		const at = writer.value(attribute, 4);
		writer.memory().writeUInt32LE(value, at);
	}
	writer.close(asked);
}

function decodeTuple(bytes: Buffer, start: number, end: number): ReadTuple {
	let [source, destination] = ["", ""];
	let [protocol, sourcePort, destinationPort] = [0, 0, 0];
	forEachAttribute(bytes, start, end, (part, partStart, partEnd) =>
		forEachAttribute(bytes, partStart, partEnd, (type, at, until) => {
			if (part === ct.CTA_TUPLE_IP) {
				if (type === ct.CTA_IP_V4_SRC || type === ct.CTA_IP_V6_SRC) source = addressAt(bytes, at, until);
				else if (type === ct.CTA_IP_V4_DST || type === ct.CTA_IP_V6_DST) destination = addressAt(bytes, at, until);
			} else if (part === ct.CTA_TUPLE_PROTO) {
				if (type === ct.CTA_PROTO_NUM) protocol = bytes[at] ?? 0;
				else if (type === ct.CTA_PROTO_SRC_PORT) sourcePort = bytes.readUInt16BE(at);
				else if (type === ct.CTA_PROTO_DST_PORT) destinationPort = bytes.readUInt16BE(at);
			}
		}),
	);
	return { source, destination, sourcePort, destinationPort, protocol };
}

function addressAt(bytes: Buffer, start: number, end: number): string {
	if (end - start === 4) return `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}`;
	return addressText(bytes.subarray(start, end));
}

const tupleOf = ({ source, destination, sourcePort, destinationPort }: ReadTuple): FlowTuple => ({
	source,
	destination,
	sourcePort,
	destinationPort,
});

const portBytes = (port: number): Uint8Array => Uint8Array.of(port >> 8, port & 0xff);
