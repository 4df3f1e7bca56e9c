// HostNetwork on Linux: netlink for what the machine has, raw and packet sockets for what it says. All in the thread that opened
// it; no other program runs. What it adds carries a number of its own (IFA_PROTO, route and rule protocol), so that a later run
// finds it.

import type { Cancel } from "../../runtime/clock.ts";
import type { VirtualAddress, VirtualMac, VirtualRoute, VirtualRule } from "../../vip/vip-config.ts";
import type {
	AddressConflict,
	AddressFamily,
	AnnounceOptions,
	CleanUpReport,
	ConflictWatch,
	ConflictWatchOptions,
	FollowedAddress,
	HostAddress,
	HostNetwork,
	HostRoute,
	LinkState,
	NetworkEvent,
	Opened,
	Outcome,
	UdpDatagram,
	UdpSocket,
	UdpSocketOptions,
	VrrpPacket,
	VrrpSocket,
	VrrpSocketOptions,
} from "../host-network.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import { Announcer } from "./announcer.ts";
import { openConflictWatch } from "./conflict-watch.ts";
import { HostAddresses } from "./host-addresses.ts";
import { HostRoutes } from "./host-routes.ts";
import { readSetting, writeSetting } from "./interface-settings.ts";
import { LinkTable } from "./link-table.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { watchNetworkEvents } from "./network-events.ts";
import { insideNamespace, type RunInside } from "./network-namespace.ts";
import { openUdpSocket } from "./udp-socket.ts";
import { VirtualMacs } from "./virtual-macs.ts";
import { openVrrpSocket } from "./vrrp-socket.ts";

/** Marks what Keepmesh added; `ip -details address` shows it as `proto 0x56`. */
export const defaultTag = 0x56;

export interface LinuxHostNetworkOptions {
	/** Brings packets and events. Without it the network can be read and changed, and sends. */
	readonly loop?: RealTimeLoop;
	/** 1 to 255, in use by nobody else. Default 0x56. */
	readonly tag?: number;
	/** `/run/netns/NAME`. Default: where the thread is. */
	readonly netns?: string;
	/** Remembers added addresses where the kernel does not (before Linux 5.18). Then without it they are not found after a crash. */
	readonly stateFile?: string;
}

/** Throws when the namespace is not there. */
export function openLinuxHostNetwork(options: LinuxHostNetworkOptions = {}): HostNetwork {
	return new LinuxHostNetwork(options);
}

class LinuxHostNetwork implements HostNetwork {
	readonly #loop: RealTimeLoop | undefined;
	readonly #netns: string | undefined;
	readonly #namespace: { readonly run: RunInside; close(): void };
	readonly #netlink: NetlinkSocket;
	readonly #links: LinkTable;
	readonly #addresses: HostAddresses;
	readonly #routes: HostRoutes;
	readonly #virtualMacs: VirtualMacs;
	readonly #announcer: Announcer;
	readonly #listeners = new Set<(event: NetworkEvent) => void>();
	readonly #events: { close(): void } | undefined;

	constructor({ loop, tag = defaultTag, netns, stateFile }: LinuxHostNetworkOptions) {
		this.#loop = loop;
		this.#netns = netns;
		this.#namespace = insideNamespace(netns);
		const inside = this.#namespace.run;
		this.#netlink = inside(() => new NetlinkSocket());
		this.#links = new LinkTable(this.#netlink);
		this.#addresses = new HostAddresses(this.#netlink, this.#links, tag, stateFile);
		this.#routes = new HostRoutes(this.#netlink, this.#links, tag);
		this.#virtualMacs = new VirtualMacs(this.#netlink, this.#links, inside, tag);
		this.#announcer = new Announcer(inside);
		if (!loop) return;
		const events = inside(() =>
			watchNetworkEvents(
				loop,
				tag,
				(index) => this.#links.nameOf(index),
				(event) => {
					this.#links.onEvent(event);
					for (const listener of this.#listeners) listener(event);
				},
			),
		);
		if (!events.ok) throw new Error(events.message);
		this.#events = events.value;
		this.#links.all();
		this.#links.keeps = true;
	}

	link(name: string): LinkState | undefined {
		return this.#links.get(name);
	}

	links(): readonly LinkState[] {
		return this.#links.all();
	}

	addresses(interfaceName?: string): readonly HostAddress[] {
		return this.#addresses.all().filter((one) => interfaceName === undefined || one.interface === interfaceName);
	}

	ownedAddresses(): readonly HostAddress[] {
		return this.#addresses.all().filter((one) => one.owned);
	}

	routes(options: { readonly table?: number } = {}): readonly HostRoute[] {
		return this.#routes.all(options.table);
	}

	addAddress(interfaceName: string, address: VirtualAddress): Outcome {
		return this.#addresses.add(interfaceName, address);
	}

	removeAddress(interfaceName: string, address: VirtualAddress): Outcome {
		return this.#addresses.remove(interfaceName, address);
	}

	addRoute(route: VirtualRoute, defaultInterface?: string): Outcome {
		return this.#routes.add(route, defaultInterface);
	}

	removeRoute(route: VirtualRoute, defaultInterface?: string): Outcome {
		return this.#routes.remove(route, defaultInterface);
	}

	addRule(rule: VirtualRule): Outcome {
		return this.#routes.addRule(rule);
	}

	removeRule(rule: VirtualRule): Outcome {
		return this.#routes.removeRule(rule);
	}

	promoteSecondaries(interfaceName: string): Outcome {
		return this.#namespace.run(() => writeSetting("ipv4", interfaceName, "promote_secondaries", "1"));
	}

	async refusePackets(addresses: readonly string[]): Promise<Outcome> {
		// Few need it, and what starts programs makes the process larger.
		const { refusePackets } = await import("./refused-addresses.ts");
		return refusePackets(addresses, this.#netns);
	}

	async followConnections(followed: readonly FollowedAddress[]): Promise<Outcome> {
		const { followConnections } = await import("./followed-connections.ts");
		return followConnections(followed, this.#netns);
	}

	announce(interfaceName: string, address: string, options?: AnnounceOptions): Outcome {
		const link = this.#links.require(interfaceName);
		if ("ok" in link) return link;
		const isRouter =
			address.includes(":") && this.#namespace.run(() => readSetting("ipv6", interfaceName, "forwarding")) === "1";
		return this.#announcer.announce(link, address, isRouter, options);
	}

	watchConflicts(
		options: ConflictWatchOptions,
		onConflict: (conflict: AddressConflict) => void,
	): Opened<ConflictWatch> {
		const link = this.#links.require(options.interface);
		if ("ok" in link) return link;
		return this.#namespace.run(() => openConflictWatch(link, options, this.#announcer, this.#loop, onConflict));
	}

	createVirtualMac(baseInterface: string, virtualRouterId: number, family: AddressFamily, mac: VirtualMac): Outcome {
		return this.#virtualMacs.create(baseInterface, virtualRouterId, family, mac);
	}

	removeVirtualMac(interfaceName: string): Outcome {
		return this.#virtualMacs.remove(interfaceName);
	}

	openVrrpSocket(options: VrrpSocketOptions, onPacket: (packet: VrrpPacket) => void): Opened<VrrpSocket> {
		const link = this.#links.require(options.interface);
		if ("ok" in link) return link;
		const source = options.source ?? this.#addresses.sourceOf(link, options.family);
		if (source === undefined) return noSource(options);
		const place = { interfaceIndex: link.index, source, loop: this.#loop };
		return this.#namespace.run(() => openVrrpSocket(options, place, onPacket));
	}

	openUdpSocket(options: UdpSocketOptions, onDatagram: (datagram: UdpDatagram) => void): Opened<UdpSocket> {
		const link = options.interface === undefined ? undefined : this.#links.require(options.interface);
		if (link && "ok" in link) return link;
		return this.#namespace.run(() => openUdpSocket(options, link?.index ?? 0, this.#loop, onDatagram));
	}

	watch(listener: (event: NetworkEvent) => void): Cancel {
		this.#listeners.add(listener);
		return () => {
			this.#listeners.delete(listener);
		};
	}

	cleanUp(): CleanUpReport {
		const parts = [this.#routes.cleanUp(), this.#addresses.cleanUp(), this.#virtualMacs.cleanUp()];
		return { removed: parts.flatMap((part) => part.removed), failed: parts.flatMap((part) => part.failed) };
	}

	close(): void {
		this.#events?.close();
		this.#announcer.close();
		this.#netlink.close();
		this.#namespace.close();
	}
}

function noSource(options: VrrpSocketOptions): Opened<never> {
	const kind = options.family === "ipv4" ? "no IPv4 address" : "no link-local IPv6 address yet";
	return {
		ok: false,
		because: "noAddress",
		message: `${options.interface} has ${kind}; give it one, or name a source`,
	};
}
