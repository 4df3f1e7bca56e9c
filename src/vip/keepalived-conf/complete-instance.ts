// A vrrp_instance's draft in, its InstanceConfig out: defaults, roundings, and what directives take away from each other, in
// the order in which keepalived 2.2 decides it. undefined when keepalived would leave the instance out.

import type { InstanceConfig, TrackedBy, VirtualAddress } from "../vip-config.ts";
import { announceScheduleOf } from "./announce-schedule.ts";
import type { BlockContext } from "./block-reader.ts";
import { advertIntervalMsOf, preemptionOf, roleOf } from "./complete-role.ts";
import { authenticationOf, transportOf, versionOf, virtualMacOf } from "./complete-wire.ts";
import { type Completion, newCompletion } from "./completion.ts";
import type { ReadAddress } from "./conf-addresses.ts";
import { notifyConfigOf } from "./conf-notify.ts";
import { isLinkLocal } from "./conf-values.ts";
import type { GlobalDraft } from "./global-defs.ts";
import type { InstanceDraft } from "./instance-draft.ts";

/** The count of addresses in an advert has 8 bits. */
const maxAddresses = 255;

export function completeInstance(
	draft: InstanceDraft,
	global: GlobalDraft,
	tracked: readonly TrackedBy[],
	context: BlockContext,
): InstanceConfig | undefined {
	const completion = newCompletion(draft, global, context);
	const { strict, family, warn, leaveOut } = completion;
	const version = versionOf(completion);
	if (draft.virtualRouterId === undefined)
		return leaveOut("virtual_router_id", "there is no virtual_router_id", "write 1 to 255, the same on every node");
	if (draft.addresses.length === 0 && !draft.needsNoAddress) {
		const [message, hint] = ["there is no virtual address", "write virtual_ipaddress { ADDRESS }"];
		if (version === 3 || strict) return leaveOut("virtual_ipaddress", message, hint);
		warn("virtual_ipaddress", message, hint);
	}
	if (draft.interface === undefined)
		return leaveOut(
			"interface",
			draft.source === undefined
				? "there is neither an interface nor a unicast_src_ip"
				: "an instance without interface is not supported",
			"write interface NAME",
		);
	const { priority, state } = roleOf(completion);
	const authentication = authenticationOf(completion, version);
	const initialState = authentication.type === "ah" && priority !== 255 ? "BACKUP" : state;
	if (initialState !== state)
		warn("state", "state MASTER does not go with authentication AH: BACKUP is taken", "write state BACKUP");
	if (strict && draft.peers.length > 0)
		return leaveOut("unicast_peer", "strict mode has no unicast", "take unicast_peer or strict mode out");
	warnOfFirstAddress(completion);
	const { addresses, excluded } = addressesOf(completion);
	const virtualMac = virtualMacOf(completion);
	return {
		name: draft.name,
		interface: draft.interface,
		family,
		version,
		virtualRouterId: draft.virtualRouterId,
		priority,
		initialState,
		...preemptionOf(completion, priority, initialState),
		accept: acceptOf(completion, priority, version),
		announce: announceScheduleOf(draft, global, strict, context),
		advertIntervalMs: advertIntervalMsOf(completion, version),
		addresses: addresses.map(virtualAddress),
		excludedAddresses: excluded.map(virtualAddress),
		routes: draft.routes,
		...(draft.rules.length > 0 ? { rules: draft.rules } : {}),
		transport: transportOf(completion),
		authentication,
		checksum3: draft.checksumOfMessageOnly ? "messageOnly" : "pseudoHeader",
		downAfterAdverts: draft.downAfterAdverts ?? global.downAfterAdverts,
		advertOnLowerPriority: !switchOf(
			completion,
			"lower_prio_no_advert",
			draft.noAdvertOnLower ?? global.noAdvertOnLower,
			true,
		),
		advertOnHigherPriority: switchOf(
			completion,
			"higher_prio_send_advert",
			draft.advertOnHigher ?? global.advertOnHigher,
			false,
		),
		checkAddresses: !(draft.skipsAddressCheck ?? global.skipsAddressCheck),
		strict,
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

function warnOfFirstAddress({ draft, family, strict, warn }: Completion): void {
	const first = draft.addresses[0];
	if (family === "ipv4" || draft.peers.length > 0 || !first || isLinkLocal(first.address)) return;
	warn(
		"virtual_ipaddress",
		`the first IPv6 address should be link local, and ${first.address} is not`,
		"put an fe80:: address first",
		strict ? "KA" : "KM-silent",
	);
}

/** Strict: only the owner takes packets to the addresses. */
function acceptOf({ draft, strict, warn }: Completion, priority: number, version: 2 | 3): boolean {
	const accept = draft.accept ?? (priority === 255 || !strict);
	if (!accept || !strict || version === 3 || priority === 255) return accept;
	const message = "strict mode of version 2 has no accept mode: packets to the addresses are dropped";
	warn("accept", message, "take accept out");
	return false;
}

/** Those in the adverts, and those that move with them. */
function addressesOf({ draft, warn }: Completion): {
	addresses: readonly ReadAddress[];
	excluded: readonly ReadAddress[];
} {
	const excess = draft.addresses.slice(maxAddresses);
	if (excess.length > 0)
		warn(
			"virtual_ipaddress",
			`${draft.addresses.length} addresses do not fit into an advert: the last ${excess.length} count as excluded`,
			"put them into virtual_ipaddress_excluded",
		);
	return { addresses: draft.addresses.slice(0, maxAddresses), excluded: [...draft.excluded, ...excess] };
}

/** Strict mode forces a switch; what the instance says otherwise is taken back. */
function switchOf({ draft, strict, warn }: Completion, directive: string, wanted: boolean, forced: boolean): boolean {
	if (!strict) return wanted;
	if (draft.said.has(directive) && wanted !== forced)
		warn(
			directive,
			`strict mode wants ${directive} ${forced ? "on" : "off"}: it is taken back`,
			`take ${directive} out`,
		);
	return forced;
}

function virtualAddress({ family: _family, ...address }: ReadAddress): VirtualAddress {
	return address;
}
