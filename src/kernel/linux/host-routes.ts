// Routes and routing rules of the machine: reads, adds, removes them, and finds those that Keepmesh added.

import type { VirtualRoute, VirtualRule } from "../../vip/vip-config.ts";
import type { CleanUpReport, Failure, HostRoute, Outcome } from "../host-network.ts";
import { EEXIST, ENOENT, ESRCH } from "./abi/errno.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "./abi/netlink.ts";
import {
	FRA_PROTOCOL,
	fibRuleHdrBytes,
	RT_TABLE_MAIN,
	RTM_DELROUTE,
	RTM_DELRULE,
	RTM_GETROUTE,
	RTM_GETRULE,
	RTM_NEWROUTE,
	RTM_NEWRULE,
	rtmsgBytes,
} from "./abi/rtnetlink.ts";
import type { LinkTable } from "./link-table.ts";
import { attributesIn } from "./netlink-message.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import { decodeRoute, encodeRoute, encodeRule } from "./route-messages.ts";

export class HostRoutes {
	readonly #netlink: NetlinkSocket;
	readonly #links: LinkTable;
	readonly #tag: number;

	constructor(netlink: NetlinkSocket, links: LinkTable, tag: number) {
		this.#netlink = netlink;
		this.#links = links;
		this.#tag = tag;
	}

	all(table: number = RT_TABLE_MAIN): readonly HostRoute[] {
		return this.#everywhere().filter((route) => route.table === table);
	}

	add(route: VirtualRoute, defaultInterface?: string): Outcome {
		return this.#change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, defaultInterface);
	}

	remove(route: VirtualRoute, defaultInterface?: string): Outcome {
		return this.#change(RTM_DELROUTE, 0, route, defaultInterface);
	}

	addRule(rule: VirtualRule): Outcome {
		return this.#changeRule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
	}

	removeRule(rule: VirtualRule): Outcome {
		return this.#changeRule(RTM_DELRULE, 0, rule);
	}

	cleanUp(): CleanUpReport {
		const removed: string[] = [];
		const failed: Failure[] = [];
		const note = (outcome: Outcome, text: string) => {
			if (outcome.ok) removed.push(text);
			else failed.push(outcome);
		};
		for (const route of this.#everywhere())
			if (route.owned) note(this.remove(route), `route ${route.destination} in table ${route.table}`);
		for (const rule of this.#ownedRules()) note(this.#removeRuleBody(rule), "rule");
		return { removed, failed };
	}

	#everywhere(): readonly HostRoute[] {
		const bodies: Buffer[] = [];
		this.#netlink.start(RTM_GETROUTE, 0, rtmsgBytes);
		// Names of interfaces may have to be asked for, which must not happen in the middle of an answer.
		this.#netlink.dump("the routes", ({ body }) => bodies.push(Buffer.from(body)));
		const routes = bodies.map((body) => decodeRoute(body, (index) => this.#links.nameOf(index), this.#tag));
		return routes.filter((route) => route !== undefined);
	}

	#change(type: number, flags: number, route: VirtualRoute, defaultInterface?: string): Outcome {
		const removing = type === RTM_DELROUTE;
		// A gateway says by itself which interface leads to it, unless it is link-local.
		const needsInterface = route.gateway === undefined || route.onlink || /^fe[89ab]/i.test(route.gateway);
		const name = route.interface ?? (needsInterface ? defaultInterface : undefined);
		const link = name === undefined ? undefined : this.#links.require(name);
		if (link && "ok" in link) return removing ? { ok: true, changed: false } : link;
		const { fixed, writer } = this.#netlink.start(type, flags, rtmsgBytes);
		const options = { interfaceIndex: link?.index, tag: this.#tag, removing };
		if (!encodeRoute(fixed, writer, route, options))
			return { ok: false, because: "invalid", message: `${route.destination} is no range` };
		const answer = this.#netlink.request(`${removing ? "removing" : "adding"} the route to ${route.destination}`);
		if (answer.ok) return { ok: true, changed: true };
		return answer.error === (removing ? ESRCH : EEXIST) ? { ok: true, changed: false } : answer.failure;
	}

	#changeRule(type: number, flags: number, rule: VirtualRule): Outcome {
		const removing = type === RTM_DELRULE;
		const { fixed, writer } = this.#netlink.start(type, flags, fibRuleHdrBytes);
		if (!encodeRule(fixed, writer, rule, this.#tag))
			return { ok: false, because: "invalid", message: "from and to of a rule must be ranges" };
		const answer = this.#netlink.request(`${removing ? "removing" : "adding"} a routing rule`);
		if (answer.ok) return { ok: true, changed: true };
		return answer.error === (removing ? ENOENT : EEXIST) ? { ok: true, changed: false } : answer.failure;
	}

	#ownedRules(): readonly Buffer[] {
		const rules: Buffer[] = [];
		this.#netlink.start(RTM_GETRULE, 0, fibRuleHdrBytes);
		this.#netlink.dump("the routing rules", ({ body }) => {
			if (attributesIn(body.subarray(fibRuleHdrBytes)).get(FRA_PROTOCOL)?.[0] === this.#tag)
				rules.push(Buffer.from(body));
		});
		return rules;
	}

	/** The kernel takes back exactly what it told. */
	#removeRuleBody(body: Buffer): Outcome {
		const { fixed, writer } = this.#netlink.start(RTM_DELRULE, 0, fibRuleHdrBytes);
		fixed.set(body.subarray(0, fibRuleHdrBytes));
		for (const [type, value] of attributesIn(body.subarray(fibRuleHdrBytes))) writer.attribute(type, value);
		const answer = this.#netlink.request("removing a routing rule");
		return answer.ok ? { ok: true, changed: true } : answer.failure;
	}
}
