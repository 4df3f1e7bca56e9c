// Opens a netlink socket whose refusals come with the kernel's own words, and reads these (netlink(7), NETLINK_EXT_ACK).

import {
	NETLINK_CAP_ACK,
	NETLINK_EXT_ACK,
	NLM_F_CAPPED,
	NLMSGERR_ATTR_MSG,
	nlmsghdrBytes,
	SOL_NETLINK,
} from "./abi/netlink.ts";
import { AF_NETLINK, SO_RCVTIMEO, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET } from "./abi/socket.ts";
import { libc } from "./libc.ts";
import { attributesIn, type NetlinkMessage, textOf } from "./netlink-message.ts";

/** A descriptor, or -1. It belongs to the network namespace that the thread is in; a read waits so long for an answer. */
export function openNetlink(protocol: number, answerWithinSec: number): number {
	const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0) return fd;
	const yes = Buffer.from([1, 0, 0, 0]);
	libc.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, yes, 4);
	libc.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, yes, 4);
	const limit = Buffer.alloc(16);
	limit.writeBigInt64LE(BigInt(answerWithinSec), 0);
	libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, 16);
	return fd;
}

/** The extended acknowledgement's text. The refused message is repeated before it unless the flag says not. */
export function kernelWords(answer: NetlinkMessage): string | undefined {
	const repeated = answer.flags & NLM_F_CAPPED ? nlmsghdrBytes : Math.max(nlmsghdrBytes, answer.body.readUInt32LE(4));
	return textOf(attributesIn(answer.body.subarray(4 + repeated)).get(NLMSGERR_ATTR_MSG));
}
