// A machine on a FakeLan. What it has (addresses, routes, links) outlives the process that set it, as in a real kernel; sockets
// and listeners go with the process.

import type {
	AddressConflict,
	Failure,
	FollowedAddress,
	HostAddress,
	HostNetwork,
	HostRoute,
	LinkState,
	NetworkEvent,
} from "../host-network.ts";
import { FakeHostNetwork } from "./fake-host-network.ts";
import type { FakeLan, Frame } from "./fake-lan.ts";

export interface FakeHostOptions {
	readonly name: string;
	/** Of `eth0`. */
	readonly address: string;
	readonly linkLocal?: string;
}

export interface FakeSocket {
	readonly accepts: (frame: Frame) => boolean;
	readonly receive: (frame: Frame) => void;
}

export interface FakeConflictWatch {
	addresses: readonly string[];
	readonly onConflict: (conflict: AddressConflict) => void;
}

export type FakeOperation = "addAddress" | "removeAddress" | "announce" | "send" | "openVrrpSocket" | "addRoute";

export class FakeHost {
	readonly name: string;
	readonly mac: string;
	readonly lan: FakeLan;
	readonly links = new Map<string, LinkState>();
	readonly addresses: HostAddress[] = [];
	readonly routes: HostRoute[] = [];
	readonly rules: string[] = [];
	/** Addresses that take no packets. */
	refused: readonly string[] = [];
	/** Whose unknown connections go on to another machine. */
	followed: readonly FollowedAddress[] = [];
	readonly sockets = new Set<FakeSocket>();
	readonly conflictWatches = new Set<FakeConflictWatch>();
	readonly listeners = new Set<(event: NetworkEvent) => void>();
	readonly #failures = new Map<FakeOperation, Failure>();

	constructor(lan: FakeLan, options: FakeHostOptions) {
		this.lan = lan;
		this.name = options.name;
		const last = options.address.split(".").at(-1) ?? "0";
		this.mac = `02:00:00:00:00:${Number(last).toString(16).padStart(2, "0")}`;
		this.links.set("eth0", { index: 2, name: "eth0", mac: this.mac, up: true, running: true, mtu: 1500, kind: "" });
		this.#give(options.address, 24, "ipv4", "global");
		this.#give(options.linkLocal ?? `fe80::${Number(last).toString(16)}`, 64, "ipv6", "link");
	}

	/** As a process that starts: what an earlier one left is there. */
	open(): HostNetwork {
		return new FakeHostNetwork(this);
	}

	/** As after SIGKILL: sockets are gone, addresses stay. */
	crash(): void {
		this.sockets.clear();
		this.conflictWatches.clear();
		this.listeners.clear();
	}

	setLink(name: string, state: { readonly up?: boolean; readonly running?: boolean }): void {
		const link = this.links.get(name);
		if (!link) throw new Error(`${this.name} has no ${name}`);
		const up = state.up ?? link.up;
		const changed = { ...link, up, running: up && (state.running ?? link.running) };
		this.links.set(name, changed);
		this.tell({ type: "link", link: changed });
	}

	/** Every call fails so, until told otherwise. */
	fail(operation: FakeOperation, failure: Failure | undefined): void {
		if (failure) this.#failures.set(operation, failure);
		else this.#failures.delete(operation);
	}

	failureOf(operation: FakeOperation): Failure | undefined {
		return this.#failures.get(operation);
	}

	/** Somebody else adds or removes an address. */
	removeForeign(address: string): void {
		const index = this.addresses.findIndex((one) => one.address === address);
		const [removed] = index < 0 ? [] : this.addresses.splice(index, 1);
		if (removed) this.tell({ type: "addressRemoved", address: removed });
	}

	tell(event: NetworkEvent): void {
		for (const listener of [...this.listeners]) listener(event);
	}

	answersFor(address: string): boolean {
		return this.addresses.some((one) => one.address === address && this.links.get(one.interface)?.running);
	}

	receive(frame: Frame): void {
		if (!this.links.get("eth0")?.running) return;
		for (const socket of [...this.sockets]) if (socket.accepts(frame)) socket.receive(frame);
	}

	hearOwner(address: string, mac: string): void {
		for (const watch of [...this.conflictWatches])
			if (watch.addresses.includes(address)) watch.onConflict({ address, mac });
	}

	#give(address: string, prefixLength: number, family: HostAddress["family"], scope: HostAddress["scope"]): void {
		const flags = { tentative: false, duplicate: false, owned: false };
		this.addresses.push({ interface: "eth0", family, address, prefixLength, scope, ...flags });
	}
}
