// HostNetwork in memory: the same rules as the real one, for the machine and the LAN of a test.

import type { Cancel } from "../../runtime/clock.ts";
import type { VirtualAddress, VirtualMac, VirtualRoute, VirtualRule } from "../../vip/vip-config.ts";
import type {
	AddressConflict,
	AddressFamily,
	AnnounceOptions,
	CleanUpReport,
	ConflictWatch,
	ConflictWatchOptions,
	Failure,
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
import type { FakeHost, FakeOperation } from "./fake-host.ts";
import { interfaceDown, openFakeUdpSocket, openFakeVrrpSocket } from "./fake-sockets.ts";

const changed: Outcome = { ok: true, changed: true };
const unchanged: Outcome = { ok: true, changed: false };

export class FakeHostNetwork implements HostNetwork {
	readonly #host: FakeHost;
	readonly #closing: (() => void)[] = [];

	constructor(host: FakeHost) {
		this.#host = host;
	}

	link(name: string): LinkState | undefined {
		return this.#host.links.get(name);
	}

	links(): readonly LinkState[] {
		return [...this.#host.links.values()];
	}

	addresses(interfaceName?: string): readonly HostAddress[] {
		return this.#host.addresses.filter((one) => interfaceName === undefined || one.interface === interfaceName);
	}

	ownedAddresses(): readonly HostAddress[] {
		return this.#host.addresses.filter((one) => one.owned);
	}

	routes(options: { readonly table?: number } = {}): readonly HostRoute[] {
		return this.#host.routes.filter((route) => route.table === (options.table ?? 254));
	}

	addAddress(interfaceName: string, address: VirtualAddress): Outcome {
		const failure = this.#failure("addAddress", interfaceName);
		if (failure) return failure;
		if (this.#indexOf(interfaceName, address) >= 0) return unchanged;
		const added: HostAddress = {
			interface: interfaceName,
			family: address.address.includes(":") ? "ipv6" : "ipv4",
			address: address.address,
			prefixLength: address.prefixLength,
			...(address.label !== undefined && { label: address.label }),
			scope: address.scope ?? "global",
			tentative: false,
			duplicate: false,
			owned: true,
		};
		this.#host.addresses.push(added);
		this.#host.tell({ type: "addressAdded", address: added });
		return changed;
	}

	removeAddress(interfaceName: string, address: VirtualAddress): Outcome {
		const failure = this.#host.failureOf("removeAddress");
		if (failure) return failure;
		const index = this.#indexOf(interfaceName, address);
		const [removed] = index < 0 ? [] : this.#host.addresses.splice(index, 1);
		if (!removed) return unchanged;
		this.#host.tell({ type: "addressRemoved", address: removed });
		return changed;
	}

	addRoute(route: VirtualRoute, defaultInterface?: string): Outcome {
		const failure = this.#failure("addRoute", route.interface ?? defaultInterface);
		if (failure) return failure;
		if (this.#routeIndex(route) >= 0) return unchanged;
		const added = hostRoute(route, defaultInterface);
		this.#host.routes.push(added);
		this.#host.tell({ type: "routeAdded", route: added });
		return changed;
	}

	removeRoute(route: VirtualRoute): Outcome {
		const index = this.#routeIndex(route);
		const [removed] = index < 0 ? [] : this.#host.routes.splice(index, 1);
		if (!removed) return unchanged;
		this.#host.tell({ type: "routeRemoved", route: removed });
		return changed;
	}

	addRule(rule: VirtualRule): Outcome {
		const text = JSON.stringify(rule);
		if (this.#host.rules.includes(text)) return unchanged;
		this.#host.rules.push(text);
		return changed;
	}

	removeRule(rule: VirtualRule): Outcome {
		const index = this.#host.rules.indexOf(JSON.stringify(rule));
		if (index < 0) return unchanged;
		this.#host.rules.splice(index, 1);
		return changed;
	}

	promoteSecondaries(interfaceName: string): Outcome {
		return this.#host.links.has(interfaceName) ? changed : noSuchInterface(interfaceName);
	}

	refusePackets(addresses: readonly string[]): Promise<Outcome> {
		this.#host.refused = addresses;
		return Promise.resolve(changed);
	}

	followConnections(followed: readonly FollowedAddress[]): Promise<Outcome> {
		this.#host.followed = followed;
		return Promise.resolve(changed);
	}

	announce(interfaceName: string, address: string, options: AnnounceOptions = {}): Outcome {
		const failure = this.#failure("announce", interfaceName) ?? interfaceDown(this.#host, interfaceName);
		if (failure) return failure;
		this.#host.lan.announced(this.#host, address, options.mac ?? this.link(interfaceName)?.mac ?? "");
		return changed;
	}

	watchConflicts(
		options: ConflictWatchOptions,
		onConflict: (conflict: AddressConflict) => void,
	): Opened<ConflictWatch> {
		const failure = this.#failure(undefined, options.interface);
		if (failure) return failure;
		const ours = [this.#host.mac, ...(options.ownMacs ?? [])];
		const watch = {
			addresses: options.addresses,
			onConflict: (conflict: AddressConflict) => {
				if (!ours.includes(conflict.mac)) onConflict(conflict);
			},
		};
		const close = this.#keep(this.#host.conflictWatches, watch);
		return {
			ok: true,
			value: {
				probe: (address) => {
					this.#host.lan.probe(this.#host, address);
					return changed;
				},
				setAddresses: (addresses) => {
					watch.addresses = addresses;
				},
				close,
			},
		};
	}

	createVirtualMac(base: string, virtualRouterId: number, family: AddressFamily, mac: VirtualMac): Outcome {
		const link = this.#host.links.get(base);
		if (!link) return noSuchInterface(base);
		if (this.#host.links.has(mac.interface)) return unchanged;
		const id = virtualRouterId.toString(16).padStart(2, "0");
		const made = {
			...link,
			index: 100 + this.#host.links.size,
			name: mac.interface,
			mac: mac.mac ?? `00:00:5e:00:${family === "ipv4" ? "01" : "02"}:${id}`,
			kind: "macvlan",
			baseIndex: link.index,
			alias: "keepmesh",
		};
		this.#host.links.set(mac.interface, made);
		this.#host.tell({ type: "link", link: made });
		return changed;
	}

	removeVirtualMac(interfaceName: string): Outcome {
		if (!this.#host.links.delete(interfaceName)) return unchanged;
		this.#host.tell({ type: "linkGone", name: interfaceName });
		return changed;
	}

	openVrrpSocket(options: VrrpSocketOptions, onPacket: (packet: VrrpPacket) => void): Opened<VrrpSocket> {
		return (
			this.#failure("openVrrpSocket", options.interface) ??
			openFakeVrrpSocket(this.#host, options, onPacket, (socket) => this.#keep(this.#host.sockets, socket))
		);
	}

	openUdpSocket(options: UdpSocketOptions, onDatagram: (datagram: UdpDatagram) => void): Opened<UdpSocket> {
		return openFakeUdpSocket(this.#host, options, onDatagram, (socket) => this.#keep(this.#host.sockets, socket));
	}

	watch(listener: (event: NetworkEvent) => void): Cancel {
		return this.#keep(this.#host.listeners, listener);
	}

	cleanUp(): CleanUpReport {
		const removed: string[] = [];
		for (const one of this.ownedAddresses()) {
			this.removeAddress(one.interface, one);
			removed.push(`address ${one.address}/${one.prefixLength} on ${one.interface}`);
		}
		for (const route of [...this.#host.routes].filter((one) => one.owned)) {
			this.removeRoute(route);
			removed.push(`route ${route.destination} in table ${route.table}`);
		}
		removed.push(...this.#host.rules.splice(0).map(() => "rule"));
		for (const link of this.links().filter((one) => one.alias === "keepmesh")) {
			this.removeVirtualMac(link.name);
			removed.push(`interface ${link.name}`);
		}
		return { removed, failed: [] };
	}

	close(): void {
		for (const close of this.#closing) close();
	}

	#keep<Thing>(set: Set<Thing>, thing: Thing): Cancel {
		set.add(thing);
		const remove = () => {
			set.delete(thing);
		};
		this.#closing.push(remove);
		return remove;
	}

	#failure(operation: FakeOperation | undefined, interfaceName: string | undefined): Failure | undefined {
		const failure = operation && this.#host.failureOf(operation);
		if (failure) return failure;
		if (interfaceName === undefined || this.#host.links.has(interfaceName)) return undefined;
		return noSuchInterface(interfaceName);
	}

	#indexOf(interfaceName: string, address: VirtualAddress): number {
		return this.#host.addresses.findIndex(
			(one) =>
				one.interface === interfaceName && one.address === address.address && one.prefixLength === address.prefixLength,
		);
	}

	#routeIndex(route: VirtualRoute): number {
		return this.#host.routes.findIndex(
			(one) =>
				one.destination === route.destination && one.table === (route.table ?? 254) && one.metric === route.metric,
		);
	}
}

function hostRoute(route: VirtualRoute, defaultInterface: string | undefined): HostRoute {
	const interfaceName = route.interface ?? defaultInterface;
	return {
		family: route.family ?? (`${route.destination}${route.gateway}`.includes(":") ? "ipv6" : "ipv4"),
		destination: route.destination,
		...(route.gateway !== undefined && { gateway: route.gateway }),
		...(interfaceName !== undefined && { interface: interfaceName }),
		...(route.source !== undefined && { source: route.source }),
		table: route.table ?? 254,
		...(route.metric !== undefined && { metric: route.metric }),
		type: route.type ?? "unicast",
		owned: true,
	};
}

function noSuchInterface(name: string): Failure {
	return { ok: false, because: "noSuchInterface", message: `${name}: no such interface` };
}
