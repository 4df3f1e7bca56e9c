// Interfaces with a virtual MAC (RFC 9568 section 7.3): a macvlan in private mode on a base, with the settings keepalived uses.
// Its alias says that it is ours and how its base was set before, so that also a later run can put that back.

import type { VirtualMac } from "../../vip/vip-config.ts";
import type { AddressFamily, CleanUpReport, Failure, LinkState, Outcome } from "../host-network.ts";
import { EEXIST, ENODEV } from "./abi/errno.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "./abi/netlink.ts";
import * as rt from "./abi/rtnetlink.ts";
import { AF_INET6 } from "./abi/socket.ts";
import { interfacesWithSettings, readSetting, writeSetting } from "./interface-settings.ts";
import { macBytes, macText } from "./link-messages.ts";
import type { LinkTable } from "./link-table.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import type { RunInside } from "./network-namespace.ts";

/** Of the base, while a virtual MAC stands on it: it must not answer for addresses of the other interface. */
const baseSettings = { arp_ignore: "1", arp_filter: "1" } as const;
/** Of the interface itself: packets from the base's own addresses arrive there, and leave elsewhere. */
const ownSettings = { arp_ignore: "1", accept_local: "1", rp_filter: "0" } as const;
const found: Outcome = { ok: true, changed: false };
const done: Outcome = { ok: true, changed: true };

export class VirtualMacs {
	readonly #netlink: NetlinkSocket;
	readonly #links: LinkTable;
	readonly #inside: RunInside;
	readonly #mark: string;

	constructor(netlink: NetlinkSocket, links: LinkTable, inside: RunInside, tag: number) {
		this.#netlink = netlink;
		this.#links = links;
		this.#inside = inside;
		this.#mark = `keepmesh/${tag} `;
	}

	create(baseName: string, virtualRouterId: number, family: AddressFamily, mac: VirtualMac): Outcome {
		const base = this.#links.require(baseName);
		if ("ok" in base) return base;
		const name = mac.interface;
		const address = macBytes(mac.mac ?? virtualMacOf(virtualRouterId, family));
		if (!address || name.length > 15)
			return { ok: false, because: "invalid", message: `${mac.mac ?? ""} on ${name}: no MAC, or a name over 15 bytes` };
		const before = this.#settingsBefore(base);
		const existing = this.#links.get(name);
		if (existing && (existing.baseIndex !== base.index || existing.mac !== macText(address)))
			return {
				ok: false,
				because: "busy",
				message: `${name} is there already and is another interface; choose another name`,
			};
		const outcome = existing ? found : this.#add(base, name, address);
		if (!outcome.ok) return outcome;
		return (
			this.#inside(() => this.#apply(baseName, name)) ??
			this.#configure(name, before) ??
			this.#switchOn(name) ??
			outcome
		);
	}

	remove(name: string): Outcome {
		const link = this.#links.get(name);
		if (!link) return found;
		const { fixed } = this.#netlink.start(rt.RTM_DELLINK, 0, rt.ifinfomsgBytes);
		fixed.writeInt32LE(link.index, 4);
		const answer = this.#netlink.request(`removing ${name}`);
		if (!answer.ok && answer.error !== ENODEV) return answer.failure;
		this.#links.forget(name);
		const base = this.#links.all().find((one) => one.index === link.baseIndex);
		if (base && this.#ownedOn(base).length === 0 && link.alias?.startsWith(this.#mark))
			this.#inside(() => restore(base.name, link.alias ?? ""));
		return done;
	}

	cleanUp(): CleanUpReport {
		const removed: string[] = [];
		const failed: Failure[] = [];
		for (const link of this.#links.all()) {
			if (!link.alias?.startsWith(this.#mark)) continue;
			const outcome = this.remove(link.name);
			if (outcome.ok) removed.push(`interface ${link.name}`);
			else failed.push(outcome);
		}
		return { removed, failed };
	}

	#add(base: LinkState, name: string, mac: Uint8Array): Outcome {
		const { writer } = this.#netlink.start(rt.RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, rt.ifinfomsgBytes);
		writer
			.text(rt.IFLA_IFNAME, name)
			.u32(rt.IFLA_LINK, base.index)
			.attribute(rt.IFLA_ADDRESS, mac)
			.nested(rt.IFLA_LINKINFO, () =>
				writer
					.text(rt.IFLA_INFO_KIND, "macvlan")
					.nested(rt.IFLA_INFO_DATA, () => writer.u32(rt.IFLA_MACVLAN_MODE, rt.MACVLAN_MODE_PRIVATE)),
			);
		const answer = this.#netlink.request(`making ${name} with a virtual MAC on ${base.name}`);
		if (answer.ok) return done;
		return answer.error === EEXIST ? found : answer.failure;
	}

	/** Alias, and no IPv6 address that the kernel would make of the virtual MAC: all routers would have the same. */
	#configure(name: string, before: string): Failure | undefined {
		const link = this.#links.require(name);
		if ("ok" in link) return link;
		const { fixed, writer } = this.#netlink.start(rt.RTM_NEWLINK, 0, rt.ifinfomsgBytes);
		fixed.writeInt32LE(link.index, 4);
		writer
			.text(rt.IFLA_IFALIAS, `${this.#mark}${before}`)
			.nested(rt.IFLA_AF_SPEC, () =>
				writer.nested(AF_INET6, () => writer.u8(rt.IFLA_INET6_ADDR_GEN_MODE, rt.IN6_ADDR_GEN_MODE_NONE)),
			);
		const answer = this.#netlink.request(`configuring ${name}`);
		return answer.ok ? undefined : answer.failure;
	}

	#switchOn(name: string): Failure | undefined {
		const link = this.#links.require(name);
		if ("ok" in link) return link;
		const { fixed } = this.#netlink.start(rt.RTM_NEWLINK, 0, rt.ifinfomsgBytes);
		fixed.writeInt32LE(link.index, 4);
		fixed.writeUInt32LE(rt.IFF_UP, 8);
		fixed.writeUInt32LE(rt.IFF_UP, 12);
		const answer = this.#netlink.request(`switching ${name} on`);
		return answer.ok ? undefined : answer.failure;
	}

	#apply(baseName: string, name: string): Failure | undefined {
		spreadReversePathFilter();
		for (const [interfaceName, settings] of [
			[baseName, baseSettings],
			[name, ownSettings],
		] as const)
			for (const [setting, value] of Object.entries(settings)) {
				const outcome = writeSetting("ipv4", interfaceName, setting, value);
				if (!outcome.ok) return outcome;
			}
		return undefined;
	}

	/** As the alias of another one on this base says; else as they are now. */
	#settingsBefore(base: LinkState): string {
		const sibling = this.#ownedOn(base)[0];
		if (sibling?.alias) return sibling.alias.slice(this.#mark.length);
		return this.#inside(() =>
			Object.keys(baseSettings)
				.map((name) => `${name}=${readSetting("ipv4", base.name, name) ?? "0"}`)
				.join(" "),
		);
	}

	#ownedOn(base: LinkState): readonly LinkState[] {
		return this.#links.all().filter((link) => link.baseIndex === base.index && link.alias?.startsWith(this.#mark));
	}
}

/** 00:00:5e:00:01:VRID, or 02 for IPv6. */
export function virtualMacOf(virtualRouterId: number, family: AddressFamily): string {
	return macText(Uint8Array.of(0, 0, 0x5e, 0, family === "ipv4" ? 1 : 2, virtualRouterId));
}

/** The kernel takes the stricter of `all` and the interface's own. What `all` demanded becomes each interface's own. */
function spreadReversePathFilter(): void {
	const all = readSetting("ipv4", "all", "rp_filter");
	if (all === undefined || all === "0") return;
	for (const name of interfacesWithSettings()) {
		const own = readSetting("ipv4", name, "rp_filter");
		if (own !== undefined && Number(own) < Number(all)) writeSetting("ipv4", name, "rp_filter", all);
	}
	writeSetting("ipv4", "all", "rp_filter", "0");
}

function restore(baseName: string, alias: string): void {
	for (const [, name = "", value = ""] of alias.matchAll(/(arp_\w+)=(\d+)/g))
		if (name in baseSettings) writeSetting("ipv4", baseName, name, value);
}
