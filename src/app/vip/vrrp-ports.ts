// VRRP sockets, one for all virtual routers that send and hear in the same way. In: packets of an interface. Out: each packet
// to the virtual router of its VRID, and a count of those that are nobody's.

import type { AddressFamily, HostNetwork, Opened, Outcome, VrrpPacket, VrrpSocket } from "../../kernel/host-network.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { virtualRouterIdOf } from "../../vip/vrrp/advert.ts";

/** Who hears the packets of one VRID. */
export type PacketListener = (packet: VrrpPacket) => void;

/** A virtual router's place on a shared socket. */
export interface VrrpPort {
	readonly source: string;
	send: VrrpSocket["send"];
	close(): void;
}

interface Shared {
	readonly socket: VrrpSocket;
	readonly listeners: Map<number, PacketListener>;
}

/** Strangers' packets of one interface. */
export interface InterfaceDrops {
	readonly interface: string;
	readonly family: AddressFamily;
	readonly counts: ReadonlyMap<string, number>;
	/** VRIDs that are heard on the link and are nobody's here: by VRID, the last sender. */
	readonly otherRouters: ReadonlyMap<number, string>;
}

export class VrrpPorts {
	readonly #network: HostNetwork;
	readonly #shared = new Map<string, Shared>();
	readonly #drops = new Map<string, { counts: Map<string, number>; others: Map<number, string> }>();
	/** All VRIDs of an interface and family, whatever their socket. */
	readonly #used = new Map<string, number>();

	constructor(network: HostNetwork) {
		this.#network = network;
	}

	get drops(): readonly InterfaceDrops[] {
		return [...this.#drops].map(([link, { counts, others }]) => {
			const [family, name = ""] = link.split(" ");
			return { interface: name, family: family as AddressFamily, counts, otherRouters: others };
		});
	}

	open(config: InstanceConfig, onPacket: PacketListener): Opened<VrrpPort> {
		const key = portKey(config);
		const vrid = config.virtualRouterId;
		let shared = this.#shared.get(key);
		if (!shared) {
			const listeners = new Map<number, PacketListener>();
			const opened = this.#network.openVrrpSocket(socketOptions(config), (packet) =>
				this.#dispatch(config, listeners, packet),
			);
			if (!opened.ok) return opened;
			shared = { socket: opened.value, listeners };
			this.#shared.set(key, shared);
		}
		const { socket, listeners } = shared;
		if (listeners.has(vrid))
			return { ok: false, because: "busy", message: `VRID ${vrid} is used twice on ${config.interface}` };
		listeners.set(vrid, onPacket);
		const use = `${linkOf(config)} ${vrid}`;
		this.#used.set(use, (this.#used.get(use) ?? 0) + 1);
		return {
			ok: true,
			value: {
				source: socket.source,
				send: (bytes, to) => socket.send(bytes, to),
				close: () => {
					if (listeners.get(vrid) !== onPacket) return;
					listeners.delete(vrid);
					const left = (this.#used.get(use) ?? 1) - 1;
					if (left > 0) this.#used.set(use, left);
					else this.#used.delete(use);
					if (listeners.size > 0) return;
					socket.close();
					this.#shared.delete(key);
				},
			},
		};
	}

	#dispatch(config: InstanceConfig, listeners: ReadonlyMap<number, PacketListener>, packet: VrrpPacket): void {
		const vrid = virtualRouterIdOf(packet);
		const listener = typeof vrid === "number" ? listeners.get(vrid) : undefined;
		if (listener) {
			listener(packet);
			return;
		}
		const link = linkOf(config);
		if (typeof vrid === "number" && this.#used.has(`${link} ${vrid}`)) return;
		let drops = this.#drops.get(link);
		if (!drops) {
			drops = { counts: new Map(), others: new Map() };
			this.#drops.set(link, drops);
		}
		const because = typeof vrid === "number" ? "vrid_err" : vrid;
		drops.counts.set(because, (drops.counts.get(because) ?? 0) + 1);
		if (typeof vrid === "number") drops.others.set(vrid, packet.source);
	}
}

/** What must be equal for two virtual routers to share a socket, or for a new configuration to keep it. */
export function portKey(config: InstanceConfig): string {
	return JSON.stringify(socketOptions(config));
}

function socketOptions(config: InstanceConfig): Parameters<HostNetwork["openVrrpSocket"]>[0] {
	const { transport, virtualMac, family } = config;
	// The kernel gives multicast with a virtual MAC as its source to the interface that has the same one, and to no other.
	const isVirtual = virtualMac && !virtualMac.sendFromBase && transport.type === "multicast";
	return {
		interface: isVirtual ? virtualMacInterface(config) : config.interface,
		family,
		transport: transport.type === "multicast" ? { type: "multicast", group: transport.group } : { type: "unicast" },
		...(transport.source === undefined ? {} : { source: transport.source }),
		...(config.version === 2 && config.authentication.type === "ah" ? { authenticationHeader: true } : {}),
		ttl: transport.type === "unicast" ? transport.ttl : 255,
	};
}

/** keepalived's name of the interface unless one is given: `vrrp.VRID`, `vrrp6.VRID`. */
export function virtualMacInterface({ virtualMac, virtualRouterId, family }: InstanceConfig): string {
	return virtualMac?.interface ?? `vrrp${family === "ipv6" ? "6" : ""}.${virtualRouterId}`;
}

function linkOf(config: InstanceConfig): string {
	return `${config.family} ${config.interface}`;
}

/** The interface with VRRP's own MAC address, where the instance wants one. */
export function createVirtualMac(network: HostNetwork, config: InstanceConfig): Outcome {
	if (!config.virtualMac) return { ok: true, changed: false };
	return network.createVirtualMac(config.interface, config.virtualRouterId, config.family, {
		...config.virtualMac,
		interface: virtualMacInterface(config),
	});
}
