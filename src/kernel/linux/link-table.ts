// The machine's links by name and by index. Asked of the kernel when they are not known; kept for as long as events tell of
// changes, so that an announcement costs no question.

import type { Failure, LinkState, NetworkEvent } from "../host-network.ts";
import { ENODEV } from "./abi/errno.ts";
import { IFLA_EXT_MASK, IFLA_IFNAME, ifinfomsgBytes, RTEXT_FILTER_SKIP_STATS, RTM_GETLINK } from "./abi/rtnetlink.ts";
import { decodeLink } from "./link-messages.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import { systemFailure } from "./system-error.ts";

export class LinkTable {
	readonly #netlink: NetlinkSocket;
	readonly #byName = new Map<string, LinkState>();
	readonly #names = new Map<number, string>();
	/** Someone calls `onEvent`. */
	keeps = false;

	constructor(netlink: NetlinkSocket) {
		this.#netlink = netlink;
	}

	get(name: string): LinkState | undefined {
		const known = this.keeps ? this.#byName.get(name) : undefined;
		return known ?? this.#ask(name, 0);
	}

	/** Of the interface, or that there is none. */
	require(name: string): LinkState | Failure {
		return this.get(name) ?? systemFailure(ENODEV, name);
	}

	/** Never fails: an index that is gone is named by its number. */
	nameOf(index: number): string {
		return this.#names.get(index) ?? this.#ask("", index)?.name ?? `#${index}`;
	}

	all(): readonly LinkState[] {
		const links: LinkState[] = [];
		const { writer } = this.#netlink.start(RTM_GETLINK, 0, ifinfomsgBytes);
		writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
		this.#netlink.dump("the links", ({ body }) => links.push(decodeLink(body)));
		for (const link of links) this.#remember(link);
		return links;
	}

	onEvent(event: NetworkEvent): void {
		if (event.type === "link") this.#remember(event.link);
		if (event.type === "linkGone") this.forget(event.name);
		if (event.type === "eventsLost") {
			this.#byName.clear();
			this.#names.clear();
		}
	}

	#ask(name: string, index: number): LinkState | undefined {
		let link: LinkState | undefined;
		const { fixed, writer } = this.#netlink.start(RTM_GETLINK, 0, ifinfomsgBytes);
		fixed.writeInt32LE(index, 4);
		if (index === 0) writer.text(IFLA_IFNAME, name);
		writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
		const answer = this.#netlink.get(name, ({ body }) => {
			link = decodeLink(body);
		});
		if (!answer.ok || !link) {
			this.forget(name);
			return undefined;
		}
		this.#remember(link);
		return link;
	}

	/** A link that was renamed is no longer known by its old name. */
	#remember(link: LinkState): void {
		const before = this.#names.get(link.index);
		if (before !== undefined && before !== link.name) this.#byName.delete(before);
		this.#byName.set(link.name, link);
		this.#names.set(link.index, link.name);
	}

	/** The kernel said that it is gone, before the event did. */
	forget(name: string): void {
		const known = this.#byName.get(name);
		this.#byName.delete(name);
		if (known) this.#names.delete(known.index);
	}
}
