// What virtual IPs do to a machine: addresses, routes, announcements, VRRP packets, and what changes on its links. Calls act at
// once, may be repeated, and say what became of them. linux/ does it by netlink and raw sockets, fake/ in memory.

import type { Cancel } from "../runtime/clock.ts";
import type { VirtualAddress, VirtualMac, VirtualRoute, VirtualRule } from "../vip/vip-config.ts";
import type { ReceivedPacket } from "../vip/vrrp/advert.ts";

export type AddressFamily = "ipv4" | "ipv6";

export interface HostNetwork {
	link(name: string): LinkState | undefined;
	links(): readonly LinkState[];
	/** All addresses of the machine, or of one interface. */
	addresses(interfaceName?: string): readonly HostAddress[];
	/** What an earlier or this run added and has not removed. */
	ownedAddresses(): readonly HostAddress[];
	/** The main table unless told; local and broadcast routes are left out. */
	routes(options?: { readonly table?: number }): readonly HostRoute[];

	/** `changed` is false when it was there; then it is not owned unless a run of Keepmesh had added it. */
	addAddress(interfaceName: string, address: VirtualAddress): Outcome;
	/** `changed` is false when it was not there. */
	removeAddress(interfaceName: string, address: VirtualAddress): Outcome;
	addRoute(route: VirtualRoute, defaultInterface?: string): Outcome;
	removeRoute(route: VirtualRoute, defaultInterface?: string): Outcome;
	addRule(rule: VirtualRule): Outcome;
	removeRule(rule: VirtualRule): Outcome;
	/** Other addresses of a range stay when its first one is removed. */
	promoteSecondaries(interfaceName: string): Outcome;

	/** Exactly these addresses take no packets, owned or not (`no_accept`); none: everything is taken again. Call it before. */
	refusePackets(addresses: readonly string[]): Promise<Outcome>;

	/** Exactly these are in force: see FollowedAddress. None: packets of connections that are not known here are as any. */
	followConnections(followed: readonly FollowedAddress[]): Promise<Outcome>;

	/** Tells the LAN where an address is: one gratuitous ARP or unsolicited neighbour advertisement. */
	announce(interfaceName: string, address: string, options?: AnnounceOptions): Outcome;
	/** Hears of another machine that uses one of the addresses. */
	watchConflicts(options: ConflictWatchOptions, onConflict: (conflict: AddressConflict) => void): Opened<ConflictWatch>;

	/** Makes the interface with the virtual MAC, or takes the one that is there, up and with keepalived's settings. */
	createVirtualMac(baseInterface: string, virtualRouterId: number, family: AddressFamily, mac: VirtualMac): Outcome;
	/** Removes it and puts the settings of its base back. */
	removeVirtualMac(interfaceName: string): Outcome;

	openVrrpSocket(options: VrrpSocketOptions, onPacket: (packet: VrrpPacket) => void): Opened<VrrpSocket>;
	openUdpSocket(options: UdpSocketOptions, onDatagram: (datagram: UdpDatagram) => void): Opened<UdpSocket>;

	/** Changes of links, addresses and routes, by anybody, in order. */
	watch(listener: (event: NetworkEvent) => void): Cancel;
	/** Removes what is owned: addresses, routes, rules, interfaces with virtual MACs. For the start after a crash, and the end. */
	cleanUp(): CleanUpReport;
	close(): void;
}

/**
 * Packets of TCP connections to the address that this machine does not know go on to another machine of the same network, unchanged: to
 * one that had the address when they began, and translates them, or asks the next one. Whoever has nobody to ask resets them.
 */
export interface FollowedAddress {
	readonly address: string;
	readonly interface: string;
	/** The machine to ask while the address is here; same family. */
	readonly whenHere: string;
	/** The one to ask while it is elsewhere, of packets that came by the interface. */
	readonly whenElsewhere?: string;
}

/** Why it could not be done. `message` is for people, and says what to do where there is something. */
export interface Failure {
	readonly ok: false;
	readonly because:
		| "notPermitted"
		| "noSuchInterface"
		| "interfaceDown"
		| "noAddress"
		| "invalid"
		| "unreachable"
		| "busy"
		| "unsupported"
		| "refused";
	readonly message: string;
}

export type Outcome = { readonly ok: true; readonly changed: boolean } | Failure;
export type Opened<Thing> = { readonly ok: true; readonly value: Thing } | Failure;

export interface LinkState {
	readonly index: number;
	readonly name: string;
	/** `00:16:3e:...`; empty where the link has none. */
	readonly mac: string;
	/** Switched on by an administrator. */
	readonly up: boolean;
	/** Up, and the other end of the cable is there (IFF_RUNNING). */
	readonly running: boolean;
	readonly mtu: number;
	/** `macvlan`, `veth`...; empty for hardware. */
	readonly kind: string;
	/** Of the interface it stands on, for a macvlan. */
	readonly baseIndex?: number;
	readonly alias?: string;
}

export interface HostAddress {
	readonly interface: string;
	readonly family: AddressFamily;
	readonly address: string;
	readonly prefixLength: number;
	readonly label?: string;
	readonly scope: "global" | "link" | "host" | "site";
	/** Address of the other end. */
	readonly peer?: string;
	/** IPv6: not usable yet, or found to be used by somebody else. */
	readonly tentative: boolean;
	readonly duplicate: boolean;
	/** Added by Keepmesh. */
	readonly owned: boolean;
}

export interface HostRoute {
	readonly family: AddressFamily;
	/** `default` or a range. */
	readonly destination: string;
	readonly gateway?: string;
	readonly interface?: string;
	readonly source?: string;
	readonly table: number;
	readonly metric?: number;
	readonly type: "unicast" | "blackhole" | "unreachable" | "prohibit";
	readonly owned: boolean;
}

export type NetworkEvent =
	| { readonly type: "link"; readonly link: LinkState }
	| { readonly type: "linkGone"; readonly name: string }
	| { readonly type: "addressAdded" | "addressRemoved"; readonly address: HostAddress }
	| { readonly type: "routeAdded" | "routeRemoved"; readonly route: HostRoute }
	/** Events were lost: read everything again. */
	| { readonly type: "eventsLost" };

export interface AnnounceOptions {
	/** Default: the interface's. */
	readonly mac?: string;
	/** ARP: a request to everybody, as keepalived sends it, or a reply. Default request. */
	readonly form?: "request" | "reply";
}

export interface ConflictWatchOptions {
	readonly interface: string;
	/** Of either family. */
	readonly addresses: readonly string[];
	/** MACs that are ours besides the interface's. */
	readonly ownMacs?: readonly string[];
}

export interface AddressConflict {
	readonly address: string;
	/** Who uses it. */
	readonly mac: string;
}

export interface ConflictWatch {
	/** Asks who has the address, without claiming it (RFC 5227, RFC 4862); an answer is a conflict. */
	probe(address: string): Outcome;
	setAddresses(addresses: readonly string[]): void;
	close(): void;
}

/** One for each interface, family and transport: it hears the packets of all VRIDs. */
export interface VrrpSocketOptions {
	/** With a virtual MAC: its interface, unless adverts leave by the base (`sendFromBase`). */
	readonly interface: string;
	readonly family: AddressFamily;
	readonly transport: { readonly type: "multicast"; readonly group: string } | { readonly type: "unicast" };
	/** Default: the first IPv4 address of the interface or of its base, or the link-local IPv6 address. */
	readonly source?: string;
	/** IP protocol 51: what is sent begins with its IPv4 header. Default false. */
	readonly authenticationHeader?: boolean;
	/** TTL or hop limit. Default 255. */
	readonly ttl?: number;
}

/** Its arrays are reused: they are valid until the callback returns. */
export interface VrrpPacket extends ReceivedPacket {
	readonly receivedUs: number;
}

export interface VrrpSocket {
	readonly source: string;
	/** To the group or a peer. */
	send(bytes: Uint8Array, to: string): Outcome;
	close(): void;
}

export interface UdpSocketOptions {
	readonly family: AddressFamily;
	/** 0: any free one. */
	readonly port: number;
	/** Default: any. */
	readonly address?: string;
	/** Only this interface. Default: any. */
	readonly interface?: string;
	/** To hear a group as well; needs `interface`. */
	readonly group?: string;
}

/** Its bytes are reused: they are valid until the callback returns. */
export interface UdpDatagram {
	readonly source: string;
	readonly port: number;
	readonly bytes: Uint8Array;
	readonly receivedUs: number;
}

export interface UdpSocket {
	readonly port: number;
	send(bytes: Uint8Array, to: string, port: number): Outcome;
	close(): void;
}

export interface CleanUpReport {
	/** One text for each thing: `address 192.0.2.1/24 on eth0`. */
	readonly removed: readonly string[];
	readonly failed: readonly Failure[];
}
