// Listens to changes of nftables. In: tables, and the socket whose changes are our own. Out: calls with what others did.

import type { NftTable } from "../../../l4/nftables/ruleset.ts";
import type { Opened } from "../../host-network.ts";
import { EAGAIN, EINTR, ENOBUFS } from "../abi/errno.ts";
import { NETLINK_ADD_MEMBERSHIP, SOL_NETLINK, sockaddrNlBytes } from "../abi/netlink.ts";
import { NETLINK_NETFILTER, NFNLGRP_NFTABLES } from "../abi/nfnetlink.ts";
import { BPF_JEQ_K, BPF_LD_W_ABS, BPF_RET_K } from "../abi/packet.ts";
import { AF_NETLINK, SO_RCVBUF, SO_RCVBUFFORCE, SOCK_RAW } from "../abi/socket.ts";
import { errorNumber, libc, pollOnEventLoop } from "../libc.ts";
import { setBufferBytes } from "../nfnetlink-socket.ts";
import { attachFilter, drop } from "../packet-filter.ts";
import { openSocket } from "../socket-options.ts";
import { ForeignChanges } from "./foreign-changes.ts";

/** Where a netlink message has the port of who caused it. */
const portOffset = 12;
const queueBytes = 8 << 20;

/** Belongs to the network namespace that the thread is in. */
export function watchTables(
	tables: readonly NftTable[],
	ownPort: number,
	onForeignChange: (what: string) => void,
): Opened<{ close(): void }> {
	// Without an address of its own a socket is passed over when the kernel tells of changes.
	const address = Buffer.alloc(sockaddrNlBytes);
	address.writeUInt16LE(AF_NETLINK, 0);
	const opened = openSocket({
		what: "the netlink socket for changes of nftables",
		family: AF_NETLINK,
		type: SOCK_RAW,
		protocol: NETLINK_NETFILTER,
		options: [],
		bind: address,
	});
	if (!opened.ok) return opened;
	const fd = opened.value;
	setBufferBytes(fd, SO_RCVBUFFORCE, SO_RCVBUF, queueBytes);
	// What we do ourselves may be much: the kernel passes over it.
	attachFilter(fd, [
		{ code: BPF_LD_W_ABS, value: portOffset },
		{ code: BPF_JEQ_K, value: swapped(ownPort), ifFalse: 1 },
		drop,
		{ code: BPF_RET_K, value: 0xffffffff },
	]);
	const group = Buffer.alloc(4);
	group.writeUInt32LE(NFNLGRP_NFTABLES);
	libc.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, 4);
	const changes = new ForeignChanges(tables, ownPort, onForeignChange);
	const received = Buffer.alloc(65_536);
	const poll = pollOnEventLoop(fd, () => {
		for (;;) {
			const length = libc.recv(fd, received, received.length, 0);
			if (length >= 0) {
				changes.add(received.subarray(0, length));
				continue;
			}
			const error = errorNumber();
			if (error === EINTR) continue;
			if (error === EAGAIN) return;
			if (error !== ENOBUFS) return;
			onForeignChange("so much changed in nftables that not all of it was told; these tables may be among it");
		}
	});
	return {
		ok: true,
		value: {
			close: () => {
				poll.close();
				libc.close(fd);
			},
		},
	};
}

/** Filters read numbers in network order. */
function swapped(value: number): number {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value >>> 0);
	return bytes.readUInt32BE(0);
}
