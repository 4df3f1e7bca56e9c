// Hears of other machines that use our addresses: ARP from them, or neighbour advertisements for them, on one interface. The
// kernel filters, so that nothing wakes for other frames. RFC 5227 section 2.4, RFC 4862 section 5.4.

import type { AddressConflict, ConflictWatch, ConflictWatchOptions, LinkState, Opened } from "../host-network.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import { ETH_P_ARP, ETH_P_IPV6 } from "./abi/packet.ts";
import { AF_PACKET, SOCK_RAW } from "./abi/socket.ts";
import type { Announcer } from "./announcer.ts";
import { addressBytes, addressText } from "./ip-text.ts";
import { libc } from "./libc.ts";
import { macText } from "./link-messages.ts";
import { arpSenderFilter, attachFilter, type FilterInstruction, neighbourAdvertFilter } from "./packet-filter.ts";
import { packetSocketAddress } from "./socket-address.ts";
import { openSocket } from "./socket-options.ts";

interface Protocol {
	readonly number: number;
	readonly addressBytes: 4 | 16;
	readonly filter: (addresses: readonly Uint8Array[]) => readonly FilterInstruction[];
	/** Where the frame says whose address, and which MAC. */
	readonly addressOffset: number;
	readonly macOffset: number;
}

const protocols: readonly Protocol[] = [
	{ number: ETH_P_ARP, addressBytes: 4, filter: arpSenderFilter, addressOffset: 28, macOffset: 22 },
	{ number: ETH_P_IPV6, addressBytes: 16, filter: neighbourAdvertFilter, addressOffset: 62, macOffset: 6 },
];

const received = Buffer.alloc(256);
const mostAtOnce = 64;

export function openConflictWatch(
	link: LinkState,
	options: ConflictWatchOptions,
	announcer: Announcer,
	loop: RealTimeLoop | undefined,
	onConflict: (conflict: AddressConflict) => void,
): Opened<ConflictWatch> {
	const ours = new Set([link.mac, ...(options.ownMacs ?? [])]);
	const sockets: { readonly protocol: Protocol; readonly fd: number }[] = [];
	const cancels: (() => void)[] = [];
	const close = () => {
		for (const cancel of cancels) cancel();
		for (const { fd } of sockets) libc.close(fd);
	};
	const setAddresses = (addresses: readonly string[]) => {
		const bytes = addresses.map(addressBytes);
		for (const { protocol, fd } of sockets)
			attachFilter(fd, protocol.filter(bytes.filter((one) => one.length === protocol.addressBytes)));
	};
	for (const protocol of protocols) {
		const what = `watching for others with our addresses on ${link.name}`;
		// It hears nothing before it is bound, and is bound only after the filter is there.
		const opened = openSocket({ what, family: AF_PACKET, type: SOCK_RAW, protocol: 0, options: [] });
		if (!opened.ok) {
			close();
			return opened;
		}
		sockets.push({ protocol, fd: opened.value });
	}
	setAddresses(options.addresses);
	for (const { protocol, fd } of sockets) {
		const address = packetSocketAddress(protocol.number, link.index);
		libc.bind(fd, address, address.length);
		if (!loop) continue;
		cancels.push(
			loop.watchReadable(fd, () => {
				for (let count = 0; count < mostAtOnce; count++) {
					const length = libc.recv(fd, received, received.length, 0);
					if (length < protocol.addressOffset + protocol.addressBytes) return;
					const mac = macText(received.subarray(protocol.macOffset, protocol.macOffset + 6));
					if (ours.has(mac)) continue;
					const { addressOffset: start } = protocol;
					onConflict({ address: addressText(received.subarray(start, start + protocol.addressBytes)), mac });
				}
			}),
		);
	}
	return { ok: true, value: { probe: (address) => announcer.probe(link, address), setAddresses, close } };
}
