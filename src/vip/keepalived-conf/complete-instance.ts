// A vrrp_instance's draft in, its InstanceConfig out: defaults, roundings, and what directives take away from each other, in
// the order in which keepalived 2.2 decides it. undefined when keepalived would leave the instance out.

import type {
	InstanceConfig,
	TrackedBy,
	VirtualAddress,
	VirtualMac,
	VrrpAuthentication,
	VrrpTransport,
} from "../vip-config.ts";
import { announceScheduleOf } from "./announce-schedule.ts";
import { type BlockContext, error, warn } from "./block-reader.ts";
import type { ReadAddress } from "./conf-addresses.ts";
import { notifyConfigOf } from "./conf-notify.ts";
import type { Statement } from "./conf-tree.ts";
import { isLinkLocal } from "./conf-values.ts";
import type { GlobalDraft } from "./global-defs.ts";
import type { InstanceDraft } from "./instance-draft.ts";

/** 20 + 8 + 8 bytes of headers in 1500: more addresses do not fit into the count of an advert. */
const maxAddresses = 255;

export function completeInstance(
	draft: InstanceDraft,
	global: GlobalDraft,
	tracked: readonly TrackedBy[],
	context: BlockContext,
): InstanceConfig | undefined {
	const at = (directive: string): Statement => draft.said.get(directive) ?? draft.statement;
	const leftOut = (directive: string, message: string, hint: string): undefined => {
		error(context, at(directive), `${message}: keepalived leaves the instance out`, hint);
		return undefined;
	};
	const strict = draft.strict ?? global.strict;
	const family = draft.family ?? "ipv4";
	let version = draft.version ?? (family === "ipv6" ? 3 : global.version);
	if (family === "ipv6" && version === 2) {
		if (strict) warn(context, at("version"), "IPv6 has no version 2: 3 is taken", "write version 3");
		else
			warn(
				context,
				at("version"),
				"IPv6 has no version 2, and keepalived speaks it all the same: 3 is taken here",
				"write version 3 on every node",
				"KM-silent",
			);
		version = 3;
	}
	if (draft.virtualRouterId === undefined)
		return leftOut(
			"virtual_router_id",
			"there is no virtual_router_id",
			"write virtual_router_id 1 to 255, the same on every node",
		);
	if (draft.addresses.length === 0) {
		if (version === 3 || strict)
			return leftOut("virtual_ipaddress", "there is no virtual address", "write virtual_ipaddress { ADDRESS }");
		warn(context, at("virtual_ipaddress"), "there is no virtual address", "write virtual_ipaddress { ADDRESS }");
	}
	if (draft.interface === undefined) {
		if (draft.source === undefined)
			return leftOut("interface", "there is neither an interface nor a unicast_src_ip", "write interface NAME");
		return leftOut("interface", "an instance without interface is not supported", "write interface NAME");
	}
	const { priority, initialState } = roleOf(draft, strict, context, at);
	const authentication = authenticationOf(draft, version, family, strict, context, at);
	const state = authentication.type === "ah" && initialState === "MASTER" && priority !== 255 ? "BACKUP" : initialState;
	if (state !== initialState)
		warn(
			context,
			at("state"),
			"state MASTER does not go with authentication AH: BACKUP is taken",
			"write state BACKUP",
		);
	if (strict && draft.peers.length > 0)
		return leftOut("unicast_peer", "strict mode has no unicast", "take unicast_peer or strict mode out");
	const first = draft.addresses[0];
	if (family === "ipv6" && draft.peers.length === 0 && first && !isLinkLocal(first.address))
		warn(
			context,
			at("virtual_ipaddress"),
			`the first IPv6 address should be link local, and ${first.address} is not`,
			"put an fe80:: address first",
			strict ? "KA" : "KM-silent",
		);
	const preempt = preemptOf(draft, priority, state, strict, context, at);
	const announce = announceScheduleOf(draft, global, strict, context);
	let accept = draft.accept ?? (priority === 255 || !strict);
	if (accept && draft.accept === true && strict && version === 2 && priority !== 255) {
		warn(
			context,
			at("accept"),
			"strict mode of version 2 has no accept mode: packets to the addresses are dropped",
			"take accept out",
		);
		accept = false;
	}
	const addresses = draft.addresses.slice(0, maxAddresses);
	const excess = draft.addresses.slice(maxAddresses);
	if (excess.length > 0)
		warn(
			context,
			at("virtual_ipaddress"),
			`${draft.addresses.length} addresses do not fit into an advert: the last ${excess.length} count as excluded`,
			"put them into virtual_ipaddress_excluded",
		);
	const virtualMac = virtualMacOf(draft, global, strict, context, at);
	return {
		name: draft.name,
		interface: draft.interface,
		family,
		version,
		virtualRouterId: draft.virtualRouterId,
		priority,
		initialState: state,
		advertIntervalMs: advertIntervalOf(draft, version, context, at),
		addresses: addresses.map(virtualAddress),
		excludedAddresses: [...draft.excluded, ...excess].map(virtualAddress),
		routes: draft.routes,
		...(draft.rules.length > 0 ? { rules: draft.rules } : {}),
		transport: transportOf(draft, global, family, context, at),
		authentication,
		checksum3: "pseudoHeader",
		...preempt,
		downAfterAdverts: draft.downAfterAdverts ?? global.downAfterAdverts,
		announce,
		advertOnLowerPriority: !switchOf(
			draft.noAdvertOnLower,
			global.noAdvertOnLower,
			strict,
			true,
			"lower_prio_no_advert",
			context,
			at,
		),
		advertOnHigherPriority: switchOf(
			draft.advertOnHigher,
			global.advertOnHigher,
			strict,
			false,
			"higher_prio_send_advert",
			context,
			at,
		),
		checkAddresses: !(draft.skipsAddressCheck ?? global.skipsAddressCheck),
		strict,
		accept,
		...(virtualMac ? { virtualMac } : {}),
		tracked,
		ignoresOwnInterface: draft.ignoresOwnInterface,
		trackSourceAddress: draft.tracksSource && draft.source !== undefined,
		...(draft.faultWithoutPeers ? { faultWithoutPeers: true } : {}),
		...(draft.promotesSecondaries && !virtualMac ? { promoteSecondaries: true } : {}),
		health: { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 },
		notify: notifyConfigOf({ ...draft, notifiesPriority: draft.notifiesPriority ?? global.notifiesPriority }),
	};
}

type At = (directive: string) => Statement;

/** No priority: 255 with state MASTER, else 100. No state: MASTER with priority 255, else BACKUP. */
function roleOf(
	draft: InstanceDraft,
	strict: boolean,
	context: BlockContext,
	at: At,
): { priority: number; initialState: "MASTER" | "BACKUP" } {
	const priority = draft.priority ?? (draft.state === "MASTER" ? 255 : 100);
	if (draft.priority === undefined && draft.state === "MASTER")
		warn(
			context,
			at("state"),
			"state MASTER without priority means priority 255: it claims the addresses at once, and no check can lower it",
			"write priority 100, or what is meant",
			"KM-silent",
		);
	const natural = priority === 255 ? "MASTER" : "BACKUP";
	if (draft.state === undefined) return { priority, initialState: natural };
	if (strict && draft.state !== natural) {
		warn(
			context,
			at("state"),
			`strict mode wants state ${natural} with priority ${priority}: ${natural} is taken`,
			`write state ${natural}`,
		);
		return { priority, initialState: natural };
	}
	return { priority, initialState: draft.state };
}

function authenticationOf(
	draft: InstanceDraft,
	version: 2 | 3,
	family: "ipv4" | "ipv6",
	strict: boolean,
	context: BlockContext,
	at: At,
): VrrpAuthentication {
	const type = draft.authentication;
	const none = { type: "none" } as const;
	const drop = (message: string, hint: string): typeof none => {
		warn(context, at("authentication"), `${message}: adverts go out without any`, hint);
		return none;
	};
	if (type === undefined) {
		if (draft.key !== undefined)
			warn(
				context,
				at("authentication"),
				"a password without auth_type does nothing",
				"write auth_type PASS",
				"KM-silent",
			);
		return none;
	}
	if (strict) return drop("strict mode has no authentication", "take authentication out");
	if (version === 3)
		return drop("version 3 has no authentication", "take authentication out, or write version 2 on every node");
	if (draft.key === undefined || draft.key === "") return drop("there is no password", "write auth_pass");
	if (family === "ipv6" && type === "AH") return drop("IPv6 has no authentication AH", "take authentication out");
	return { type: type === "AH" ? "ah" : type === "HMAC" ? "hmac" : "pass", key: draft.key };
}

function preemptOf(
	draft: InstanceDraft,
	priority: number,
	state: "MASTER" | "BACKUP",
	strict: boolean,
	context: BlockContext,
	at: At,
): Pick<InstanceConfig, "preempt" | "preemptDelayMs"> {
	let { noPreempt } = draft;
	let delayMicros = draft.preemptDelayMicros;
	const clear = (directive: string, message: string, hint: string): void => warn(context, at(directive), message, hint);
	if (noPreempt && priority === 255) {
		clear("nopreempt", "nopreempt does not go with priority 255, and is taken back", "take nopreempt out");
		noPreempt = false;
	}
	if (state === "MASTER" && noPreempt) {
		clear(
			"nopreempt",
			"nopreempt does nothing with state MASTER, and is taken back",
			"write state BACKUP on every node",
		);
		noPreempt = false;
	}
	if (state === "MASTER" && delayMicros > 0) {
		clear(
			"preempt_delay",
			"preempt_delay does nothing with state MASTER, and is taken back: this node preempts without delay",
			"write state BACKUP on every node",
		);
		delayMicros = 0;
	}
	if (delayMicros > 0 && strict) {
		clear("preempt_delay", "strict mode has no preempt_delay: it is taken back", "take one of the two out");
		delayMicros = 0;
	}
	if (delayMicros > 0 && noPreempt) {
		clear("preempt_delay", "preempt_delay does nothing with nopreempt, and is taken back", "take one of the two out");
		delayMicros = 0;
	}
	return { preempt: !noPreempt, preemptDelayMs: delayMicros / 1000 };
}

/** Version 2: whole seconds, 1 to 255. Version 3: steps of 10 ms, up to 40.95 s. */
export function advertIntervalOf(
	draft: Pick<InstanceDraft, "advertMicros">,
	version: 2 | 3,
	context: BlockContext,
	at: At,
): number {
	const wantedMicros = draft.advertMicros ?? 1e6;
	const step = version === 2 ? 1e6 : 1e4;
	const most = version === 2 ? 255e6 : 40_950_000;
	const seconds = (micros: number): string => `${micros / 1e6} s`;
	if (wantedMicros >= most + step) {
		warn(
			context,
			at("advert_int"),
			`advert_int ${seconds(wantedMicros)} is too long for version ${version}: ${seconds(most)} is taken`,
			`write ${most / 1e6} at the most`,
		);
		return most / 1000;
	}
	if (wantedMicros % step === 0) return wantedMicros / 1000;
	const rounded = Math.min(most, Math.max(step, Math.floor((wantedMicros + step / 2) / step) * step));
	const unit = version === 2 ? "whole seconds" : "steps of 10 ms";
	warn(
		context,
		at("advert_int"),
		`version ${version} has ${unit} only: ${seconds(wantedMicros)} becomes ${seconds(rounded)}`,
		version === 2 ? "write version 3 on every node, or whole seconds" : "write a multiple of 0.01",
	);
	return rounded / 1000;
}

function transportOf(
	draft: InstanceDraft,
	global: GlobalDraft,
	family: "ipv4" | "ipv6",
	context: BlockContext,
	at: At,
): VrrpTransport {
	const source = draft.source === undefined ? {} : { source: draft.source };
	if (draft.peers.length === 0 && !draft.faultWithoutPeers) {
		if (draft.unicastTtl !== undefined)
			warn(
				context,
				at("unicast_ttl"),
				"unicast_ttl without unicast_peer is taken back: adverts go out by multicast",
				"write unicast_peer, or take unicast_ttl out",
			);
		for (const directive of ["unicast_src_ip", "unicast_peer"])
			if (draft.said.has(directive))
				warn(
					context,
					at(directive),
					`${directive} without a peer: adverts go out by multicast`,
					"write unicast_peer { ADDRESS }, or mcast_src_ip",
					"KM-silent",
				);
		return {
			type: "multicast",
			group: draft.group ?? (family === "ipv4" ? global.multicastGroup4 : global.multicastGroup6),
			...source,
		};
	}
	return {
		type: "unicast",
		...source,
		peers: draft.peers,
		ttl: draft.unicastTtl ?? 255,
		checkSource: draft.checksUnicastSource ?? global.checksUnicastSource,
	};
}

/** Strict mode forces a switch; what says otherwise is taken back. */
function switchOf(
	own: boolean | undefined,
	fallback: boolean,
	strict: boolean,
	forced: boolean,
	directive: string,
	context: BlockContext,
	at: At,
): boolean {
	if (!strict) return own ?? fallback;
	if (own !== undefined && own !== forced)
		warn(
			context,
			at(directive),
			`strict mode wants ${directive} ${forced ? "on" : "off"}: it is taken back`,
			`take ${directive} out`,
		);
	return forced;
}

function virtualMacOf(
	draft: InstanceDraft,
	global: GlobalDraft,
	strict: boolean,
	context: BlockContext,
	at: At,
): VirtualMac | undefined {
	if (!draft.virtualMac) {
		if (draft.sendsFromBase)
			warn(
				context,
				at("vmac_xmit_base"),
				"vmac_xmit_base without use_vmac does nothing",
				"write use_vmac, or take it out",
			);
		return undefined;
	}
	let { sendsFromBase } = draft;
	if (sendsFromBase && strict) {
		warn(context, at("vmac_xmit_base"), "strict mode has no vmac_xmit_base: it is taken back", "take it out");
		sendsFromBase = false;
	}
	if (!sendsFromBase && draft.peers.length > 0) {
		warn(
			context,
			at("use_vmac"),
			"unicast with use_vmac needs vmac_xmit_base: it is switched on",
			"write vmac_xmit_base",
		);
		sendsFromBase = true;
	}
	if (draft.promotesSecondaries)
		warn(context, at("promote_secondaries"), "virtual MACs have promote_secondaries always", "take it out");
	const { interface: name, mac } = draft.virtualMac;
	return {
		interface: name ?? `${global.virtualMacPrefix}.${draft.virtualRouterId ?? 0}`,
		...(mac === undefined ? {} : { mac }),
		sendFromBase: sendsFromBase,
	};
}

function virtualAddress({ family: _family, usesVirtualMac: _usesVirtualMac, ...address }: ReadAddress): VirtualAddress {
	return address;
}
