// What changes on the machine's network, as the kernel tells it: a netlink socket in the groups of links, addresses and routes.

import type { Failure, HostAddress, LinkState, NetworkEvent, Opened } from "../host-network.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import { EAGAIN, EINTR } from "./abi/errno.ts";
import { NETLINK_ROUTE, sockaddrNlBytes } from "./abi/netlink.ts";
import * as rt from "./abi/rtnetlink.ts";
import { AF_NETLINK, SO_RCVBUF, SOCK_RAW, SOL_SOCKET } from "./abi/socket.ts";
import { decodeAddress } from "./address-messages.ts";
import { errorNumber, libc } from "./libc.ts";
import { decodeLink } from "./link-messages.ts";
import { messagesIn, type NetlinkMessage } from "./netlink-message.ts";
import { decodeRoute } from "./route-messages.ts";
import { openSocket } from "./socket-options.ts";

const groups =
	rt.RTMGRP_LINK | rt.RTMGRP_IPV4_IFADDR | rt.RTMGRP_IPV6_IFADDR | rt.RTMGRP_IPV4_ROUTE | rt.RTMGRP_IPV6_ROUTE;
const queueBytes = 1 << 20;

/** Calls back with events in order. `nameOf` names the interface of an index. */
export function watchNetworkEvents(
	loop: RealTimeLoop,
	tag: number,
	nameOf: (index: number) => string,
	onEvent: (event: NetworkEvent) => void,
): Opened<{ close(): void }> {
	const address = Buffer.alloc(sockaddrNlBytes);
	address.writeUInt16LE(AF_NETLINK, 0);
	address.writeUInt32LE(groups, 8);
	const opened = openSocket({
		what: "the netlink socket for events",
		family: AF_NETLINK,
		type: SOCK_RAW,
		protocol: NETLINK_ROUTE,
		options: [[SOL_SOCKET, SO_RCVBUF, queueBytes]],
		bind: address,
	});
	if (!opened.ok) return opened satisfies Failure;
	const fd = opened.value;
	const received = Buffer.alloc(65_536);
	const unwatch = loop.watchReadable(fd, () => {
		for (;;) {
			const length = libc.recv(fd, received, received.length, 0);
			if (length < 0) {
				const error = errorNumber();
				if (error === EINTR) continue;
				if (error === EAGAIN) return;
				// ENOBUFS: the queue was full; the socket works on.
				onEvent({ type: "eventsLost" });
				return;
			}
			for (const message of messagesIn(received.subarray(0, length))) {
				const event = decodeEvent(message, tag, nameOf);
				if (event) onEvent(event);
			}
		}
	});
	return {
		ok: true,
		value: {
			close: () => {
				unwatch();
				libc.close(fd);
			},
		},
	};
}

function decodeEvent(
	{ type, body }: NetlinkMessage,
	tag: number,
	nameOf: (index: number) => string,
): NetworkEvent | undefined {
	switch (type) {
		case rt.RTM_NEWLINK:
			return linkEvent(decodeLink(body), body);
		case rt.RTM_DELLINK:
			return body[0] === 0 ? { type: "linkGone", name: decodeLink(body).name } : undefined;
		case rt.RTM_NEWADDR:
		case rt.RTM_DELADDR: {
			const address: HostAddress = decodeAddress(body, nameOf, tag);
			return { type: type === rt.RTM_NEWADDR ? "addressAdded" : "addressRemoved", address };
		}
		case rt.RTM_NEWROUTE:
		case rt.RTM_DELROUTE: {
			const route = decodeRoute(body, nameOf, tag);
			return route && { type: type === rt.RTM_NEWROUTE ? "routeAdded" : "routeRemoved", route };
		}
		default:
			return undefined;
	}
}

/** A bridge tells of its ports by the same message, with a family and without most attributes. */
function linkEvent(link: LinkState, body: Buffer): NetworkEvent | undefined {
	return body[0] === 0 ? { type: "link", link } : undefined;
}
