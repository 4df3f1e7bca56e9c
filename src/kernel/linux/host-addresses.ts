// The addresses of the machine: reads, adds, removes them, and finds those that Keepmesh added.

import type { VirtualAddress } from "../../vip/vip-config.ts";
import type { AddressFamily, CleanUpReport, Failure, HostAddress, LinkState, Outcome } from "../host-network.ts";
import { EADDRNOTAVAIL, EEXIST, ENODEV } from "./abi/errno.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "./abi/netlink.ts";
import { ifaddrmsgBytes, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from "./abi/rtnetlink.ts";
import { AddressFile } from "./address-file.ts";
import { decodeAddress, encodeAddress } from "./address-messages.ts";
import { rangeOf } from "./ip-text.ts";
import type { LinkTable } from "./link-table.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";

export class HostAddresses {
	readonly #netlink: NetlinkSocket;
	readonly #links: LinkTable;
	readonly #tag: number;
	readonly #file: AddressFile | undefined;

	constructor(netlink: NetlinkSocket, links: LinkTable, tag: number, stateFile: string | undefined) {
		this.#netlink = netlink;
		this.#links = links;
		this.#tag = tag;
		this.#file = stateFile === undefined ? undefined : new AddressFile(stateFile);
	}

	all(): readonly HostAddress[] {
		const found: HostAddress[] = [];
		this.#netlink.start(RTM_GETADDR, 0, ifaddrmsgBytes);
		const bodies: Buffer[] = [];
		// Names of interfaces may have to be asked for, which must not happen in the middle of an answer.
		this.#netlink.dump("the addresses", ({ body }) => bodies.push(Buffer.from(body)));
		for (const body of bodies) {
			const address = decodeAddress(body, (index) => this.#links.nameOf(index), this.#tag);
			found.push(this.#file?.has(address) ? { ...address, owned: true } : address);
		}
		return found;
	}

	add(interfaceName: string, address: VirtualAddress, isSecondTry = false): Outcome {
		const wrong = invalid(address);
		if (wrong) return wrong;
		const link = this.#links.require(interfaceName);
		if ("ok" in link) return link;
		this.#file?.add(interfaceName, address);
		const { fixed, writer } = this.#netlink.start(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifaddrmsgBytes);
		encodeAddress(fixed, writer, link.index, address, this.#tag);
		const answer = this.#netlink.request(`adding ${address.address}/${address.prefixLength} to ${interfaceName}`);
		if (answer.ok) return { ok: true, changed: true };
		this.#file?.remove(interfaceName, address);
		if (answer.error === ENODEV) this.#links.forget(interfaceName);
		// It may have been made anew under its name a moment ago.
		if (answer.error === ENODEV && !isSecondTry) return this.add(interfaceName, address, true);
		return answer.error === EEXIST ? { ok: true, changed: false } : answer.failure;
	}

	remove(interfaceName: string, address: VirtualAddress): Outcome {
		const wrong = invalid(address);
		if (wrong) return wrong;
		const link = this.#links.get(interfaceName);
		// With the interface its addresses are gone.
		if (!link) return { ok: true, changed: false };
		const { fixed, writer } = this.#netlink.start(RTM_DELADDR, 0, ifaddrmsgBytes);
		encodeAddress(fixed, writer, link.index, address, this.#tag);
		const answer = this.#netlink.request(`removing ${address.address}/${address.prefixLength} from ${interfaceName}`);
		if (answer.ok || answer.error === EADDRNOTAVAIL || answer.error === ENODEV) {
			this.#file?.remove(interfaceName, address);
			return { ok: true, changed: answer.ok };
		}
		return answer.failure;
	}

	/** What VRRP of this interface is sent from: its first own IPv4 address, or its link-local one; else that of its base. */
	sourceOf(link: LinkState, family: AddressFamily): string | undefined {
		const usable = this.all().filter(
			(one) =>
				one.family === family &&
				!one.owned &&
				!one.duplicate &&
				(family === "ipv4" || (one.scope === "link" && !one.tentative)),
		);
		const base = link.baseIndex === undefined ? undefined : this.#links.nameOf(link.baseIndex);
		const of = (name: string | undefined) => usable.find((one) => one.interface === name)?.address;
		return of(link.name) ?? of(base);
	}

	cleanUp(): CleanUpReport {
		const removed: string[] = [];
		const failed: Failure[] = [];
		for (const one of this.all()) {
			if (!one.owned) continue;
			const outcome = this.remove(one.interface, {
				address: one.address,
				prefixLength: one.prefixLength,
				...(one.label !== undefined && { label: one.label }),
				...(one.peer !== undefined && { peer: `${one.peer}/${one.prefixLength}` }),
			});
			if (outcome.ok) removed.push(`address ${one.address}/${one.prefixLength} on ${one.interface}`);
			else failed.push(outcome);
		}
		return { removed, failed };
	}
}

function invalid(address: VirtualAddress): Failure | undefined {
	const range = rangeOf(`${address.address}/${address.prefixLength}`);
	if (range && (address.peer === undefined || rangeOf(address.peer))) return undefined;
	return {
		ok: false,
		because: "invalid",
		message: `${address.address}/${address.prefixLength} is no address of a range`,
	};
}
