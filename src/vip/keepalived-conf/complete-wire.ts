// How an instance's adverts travel: version, authentication, transport, virtual MAC.

import type { VirtualMac, VrrpAuthentication, VrrpTransport } from "../vip-config.ts";
import type { Completion } from "./completion.ts";
import type { HmacDraft } from "./instance-draft.ts";

export function versionOf({ draft, global, family, strict, warn }: Completion): 2 | 3 {
	const version = draft.version ?? (family === "ipv6" ? 3 : global.version);
	if (family === "ipv4" || version === 3) return version;
	if (strict) warn("version", "IPv6 has no version 2: 3 is taken", "write version 3");
	else {
		const message = "IPv6 has no version 2, and keepalived speaks it all the same: 3 is taken here";
		warn("version", message, "write version 3 on every node", "KM-silent");
	}
	return 3;
}

export function authenticationOf({ draft, family, strict, warn }: Completion, version: 2 | 3): VrrpAuthentication {
	const { authentication: type, key } = draft;
	if (draft.hmac) return hmacOf(draft.hmac, warn);
	const drop = (message: string, hint: string): VrrpAuthentication => {
		warn("authentication", `${message}: adverts go out without any`, hint);
		return { type: "none" };
	};
	if (type === undefined) {
		if (key !== undefined)
			warn("authentication", "a password without auth_type does nothing", "write auth_type PASS", "KM-silent");
		return { type: "none" };
	}
	if (strict) return drop("strict mode has no authentication", "take authentication out");
	if (version === 3)
		return drop("version 3 has no authentication", "take authentication out, or write version 2 on every node");
	if (key === undefined || key === "") return drop("there is no password", "write auth_pass");
	if (family === "ipv6" && type === "AH") return drop("IPv6 has no authentication AH", "take authentication out");
	return { type: type === "AH" ? "ah" : "pass", key };
}

function hmacOf(hmac: HmacDraft, warn: Completion["warn"]): VrrpAuthentication {
	const { keys, activeKey, isMonotonic, windowSeconds, mode } = hmac;
	const [first] = keys.keys();
	const keyId = activeKey !== undefined && keys.has(activeKey) ? activeKey : first;
	const key = keyId === undefined ? undefined : keys.get(keyId);
	if (keyId === undefined || key === undefined) {
		warn("auth_hmac", "there is no key: adverts go out without authentication", "write key 1 hex:...");
		return { type: "none" };
	}
	if (activeKey !== undefined && keyId !== activeKey)
		warn("auth_hmac", `there is no key ${activeKey}: key ${keyId} signs`, "write the key, or another active_key");
	const otherKeys = [...keys].filter(([id]) => id !== keyId).map(([id, other]) => ({ id, key: other }));
	const windowOf = isMonotonic ? 0 : windowSeconds;
	return {
		type: "hmac",
		key,
		keyId,
		...(otherKeys.length > 0 ? { otherKeys } : {}),
		...(windowOf === undefined ? {} : { windowSeconds: windowOf }),
		...(mode === undefined ? {} : { mode }),
	};
}

export function transportOf({ draft, global, family, warn }: Completion): VrrpTransport {
	const source = draft.source === undefined ? {} : { source: draft.source };
	const { peers } = draft;
	if (peers.length > 0 || draft.faultWithoutPeers)
		return {
			type: "unicast",
			...source,
			peers,
			ttl: draft.unicastTtl ?? 255,
			checkSource: draft.checksUnicastSource ?? global.checksUnicastSource,
		};
	const unicast = ["unicast_peer", "unicast_src_ip", "unicast_ttl"].filter((directive) => draft.said.has(directive));
	if (unicast[0] !== undefined)
		warn(
			unicast[0],
			`${unicast.join(" and ")} without a peer: adverts go out by multicast`,
			"write unicast_peer { ADDRESS }, or mcast_src_ip, or unicast_fault_no_peer",
		);
	return { type: "multicast", group: draft.group ?? groupOf(family, global), ...source };
}

function groupOf(family: "ipv4" | "ipv6", global: Completion["global"]): string {
	return family === "ipv4" ? global.multicastGroup4 : global.multicastGroup6;
}

export function virtualMacOf({ draft, global, strict, warn }: Completion): VirtualMac | undefined {
	let { sendsFromBase } = draft;
	if (!draft.virtualMac) {
		if (sendsFromBase)
			warn("vmac_xmit_base", "vmac_xmit_base without use_vmac does nothing", "write use_vmac, or take it out");
		return undefined;
	}
	if (sendsFromBase && strict) {
		warn("vmac_xmit_base", "strict mode has no vmac_xmit_base: it is taken back", "take it out");
		sendsFromBase = false;
	}
	if (!sendsFromBase && draft.peers.length > 0) {
		warn("use_vmac", "unicast with use_vmac needs vmac_xmit_base: it is switched on", "write vmac_xmit_base");
		sendsFromBase = true;
	}
	if (draft.promotesSecondaries)
		warn("promote_secondaries", "virtual MACs have promote_secondaries always", "take it out");
	const { interface: name, mac } = draft.virtualMac;
	const vrid = draft.virtualRouterId ?? 0;
	return {
		interface: name ?? `${global.virtualMacPrefix}.${vrid}`,
		...(mac === undefined ? {} : { mac: withLastOctet(mac, vrid) }),
		sendFromBase: sendsFromBase,
	};
}

/** Five octets: the VRID is the sixth. */
function withLastOctet(mac: string, vrid: number): string {
	const octets = mac.split(":").map((octet) => octet.padStart(2, "0"));
	return octets.length === 5 ? [...octets, vrid.toString(16).padStart(2, "0")].join(":") : octets.join(":");
}
