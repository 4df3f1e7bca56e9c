// Directives of vrrp_instance: what each does to the draft. Defaults and what directives do to each other: complete-instance.ts.

import {
	block,
	type DirectiveTable,
	error,
	flag,
	keywordOf,
	lines,
	nothing,
	toggle,
	tooMany,
	unsupported,
	value,
	warn,
} from "./block-reader.ts";
import { interfaceName, readAddress } from "./conf-addresses.ts";
import { instanceNotifyTable } from "./conf-notify.ts";
import { readRoute, readRule } from "./conf-routes.ts";
import { tracksTable } from "./conf-tracks.ts";
import { familyOf, isMulticast, microsValue, wholeValue } from "./conf-values.ts";
import { garpTable } from "./garp-directives.ts";
import { readHmac } from "./hmac-directives.ts";
import type { InstanceDraft } from "./instance-draft.ts";
import { readPeer, readSource } from "./unicast-directives.ts";

const authentication: DirectiveTable<InstanceDraft> = {
	auth_type: value((draft, word, statement, context) => {
		if (word === "PASS" || word === "AH") draft.authentication = word;
		else
			error(
				context,
				statement,
				`there is no authentication ${JSON.stringify(word)}: keepalived goes without any`,
				"write PASS or AH in capitals, or take authentication out",
			);
	}),
	auth_pass: value((draft, word, statement, context) => {
		const bytes = new TextEncoder().encode(word);
		if (bytes.length > 8)
			warn(
				context,
				statement,
				`the password has ${bytes.length} bytes, and only the first 8 count: whoever knows those has the whole`,
				"make it 8 bytes on every node, and do not take VRRP's password for a secret: it is sent in clear text",
			);
		draft.key = bytes.length > 8 ? new TextDecoder().decode(bytes.subarray(0, 8)) : word;
	}),
};

export const instanceTable: DirectiveTable<InstanceDraft> = {
	state: value((draft, word, statement, context) => {
		if (word === "MASTER") draft.state = "MASTER";
		else if (word === "BACKUP" && draft.state === "MASTER")
			error(context, statement, "state MASTER was said before: BACKUP is passed over", "keep one of the two");
		else {
			if (word !== "BACKUP")
				error(
					context,
					statement,
					`${JSON.stringify(word)} is no state: BACKUP is taken`,
					"write MASTER or BACKUP, in capitals",
				);
			draft.state = "BACKUP";
		}
	}),
	interface: value((draft, word, statement, context) => {
		draft.interface = interfaceName(word, statement, context) ?? draft.interface;
	}),
	virtual_router_id: value((draft, word, statement, context) => {
		const range = { min: 1, max: 255, otherwise: "it is passed over" };
		draft.virtualRouterId = wholeValue(word, range, statement, context) ?? draft.virtualRouterId;
	}),
	priority: value((draft, word, statement, context) => {
		draft.priority = wholeValue(word, { min: 1, max: 255, otherwise: "100 is taken" }, statement, context) ?? 100;
	}),
	advert_int: value((draft, word, statement, context) => {
		const micros = microsValue(
			word,
			{ min: 0.01, max: 255, otherwise: "it is passed over, and without another one it is 1 s" },
			statement,
			context,
		);
		if (micros !== undefined) draft.advertMicros = micros;
	}),
	version: value((draft, word, statement, context) => {
		if (word !== "2" && word !== "3")
			return error(context, statement, `${JSON.stringify(word)} is no version; it is passed over`, "write 2 or 3");
		const version = word === "2" ? 2 : 3;
		if (version === 2 && draft.family === "ipv6")
			return error(context, statement, "IPv6 has no version 2: 3 is taken", "write version 3");
		if (draft.version !== undefined && draft.version !== version)
			error(
				context,
				statement,
				`version ${draft.version} is in force already; ${version} is passed over`,
				"say it once",
			);
		else draft.version = version;
	}),
	native_ipv6: (draft, statement, context) => {
		if (draft.family === "ipv4")
			return error(context, statement, "the instance has IPv4 addresses", "take native_ipv6 out");
		draft.family = "ipv6";
		draft.version ??= 3;
	},
	virtual_ipaddress: lines((draft, line, context) => {
		const address = readAddress(line, context);
		if (!address) return;
		draft.family ??= address.family;
		if (address.family !== draft.family)
			error(
				context,
				line,
				`${address.address} is not of the instance's family (${draft.family}); keepalived leaves it out`,
				"put it into virtual_ipaddress_excluded",
			);
		else {
			if (draft.addresses.some((other) => other.address === address.address && other.label === address.label))
				warn(
					context,
					line,
					`${address.address} stands here twice`,
					"take one out on every node: adverts carry it twice",
					"KM-silent",
				);
			draft.addresses.push(address);
		}
	}),
	virtual_ipaddress_excluded: lines((draft, line, context) => {
		const address = readAddress(line, context);
		if (address) draft.excluded.push(address);
	}),
	virtual_routes: lines((draft, line, context) => {
		const route = readRoute(line, context);
		if (route) draft.routes.push(route);
	}),
	virtual_rules: lines((draft, line, context) => {
		const rule = readRule(line, context);
		if (rule) draft.rules.push(rule);
	}),
	unicast_peer: lines(readPeer),
	unicast_src_ip: value(readSource),
	mcast_src_ip: value(readSource),
	mcast_dst_ip: value((draft, word, statement, context) => {
		const family = familyOf(word);
		if (family === undefined || !isMulticast(word) || (draft.family !== undefined && family !== draft.family))
			return error(
				context,
				statement,
				`${JSON.stringify(word)} is no multicast address of the instance's family; it is passed over`,
				"write one, or take it out",
			);
		draft.family ??= family;
		draft.group = word;
	}),
	unicast_ttl: value((draft, word, statement, context) => {
		draft.unicastTtl = wholeValue(word, { min: 0, max: 255, otherwise: "255 is taken" }, statement, context);
	}),
	check_unicast_src: toggle((draft, on) => {
		draft.checksUnicastSource = on;
	}),
	unicast_fault_no_peer: flag((draft) => {
		draft.faultWithoutPeers = true;
	}),
	old_unicast_checksum: (draft, statement, context) => {
		const [, word] = statement.words;
		if (word !== undefined && word !== "never")
			error(context, statement, `there is no mode ${JSON.stringify(word)}`, "write never, or nothing");
		draft.oldChecksum = word === undefined;
		if (draft.oldChecksum)
			warn(
				context,
				statement,
				"sending the checksum of keepalived 1.3.6 is not supported; receiving it is",
				"take it out once the peers are newer",
				"KM-unsupported",
			);
	},
	track_src_ip: flag((draft) => {
		draft.tracksSource = true;
	}),
	authentication: block(authentication),
	auth_hmac: readHmac,
	v3_checksum_as_v2: toggle((draft, on) => {
		draft.checksumOfMessageOnly = on;
	}),
	no_virtual_ipaddress: flag((draft) => {
		draft.needsNoAddress = true;
	}),
	// A late process never claims, and asks before it goes on owning: always so in Keepmesh.
	timer_expired_backup: nothing,
	nopreempt: flag((draft) => {
		draft.noPreempt = true;
	}),
	preempt: flag((draft) => {
		draft.noPreempt = false;
	}),
	preempt_delay: value((draft, word, statement, context) => {
		draft.preemptDelayMicros =
			microsValue(word, { min: 0, max: 1000, otherwise: "0 is taken" }, statement, context) ?? 0;
	}),
	down_timer_adverts: value((draft, word, statement, context) => {
		draft.downAfterAdverts = wholeValue(word, { min: 1, max: 100, otherwise: "3 is taken" }, statement, context);
	}),
	...garpTable(""),
	lower_prio_no_advert: toggle((draft, on) => {
		draft.noAdvertOnLower = on;
	}),
	higher_prio_send_advert: toggle((draft, on) => {
		draft.advertOnHigher = on;
	}),
	skip_check_adv_addr: toggle((draft, on) => {
		draft.skipsAddressCheck = on;
	}),
	strict_mode: toggle((draft, on) => {
		draft.strict = on;
	}),
	accept: flag((draft) => {
		draft.accept = true;
	}),
	no_accept: flag((draft) => {
		draft.accept = false;
	}),
	use_vmac: (draft, statement, context) => {
		const names = statement.words.slice(1);
		const virtualMac: { interface?: string; mac?: string } = {};
		for (const word of names)
			if (/^(?:[0-9a-fA-F]{1,2}:){4,5}[0-9a-fA-F]{1,2}$/.test(word)) virtualMac.mac = word.toLowerCase();
			else if (word.includes("/"))
				error(
					context,
					statement,
					`${JSON.stringify(word)} is no name of an interface; it is passed over`,
					"write a name",
				);
			else virtualMac.interface = interfaceName(word, statement, context);
		tooMany(statement, 3, context);
		draft.virtualMac = virtualMac;
	},
	vmac_xmit_base: flag((draft) => {
		draft.sendsFromBase = true;
	}),
	use_vmac_addr: unsupported(
		"one virtual MAC for each interface of an address",
		"give those addresses an instance of their own",
	),
	use_ipvlan: unsupported("adverts leave by the interface itself", "take it out, or write use_vmac"),
	dont_track_primary: flag((draft) => {
		draft.ignoresOwnInterface = true;
	}),
	...tracksTable,
	...instanceNotifyTable,
	promote_secondaries: flag((draft) => {
		draft.promotesSecondaries = true;
	}),
	smtp_alert: nothing,
	debug: value((_draft, word, statement, context) => {
		wholeValue(word, { min: 0, max: 4, otherwise: "it is passed over" }, statement, context);
	}),
	vrf: unsupported("the instance runs outside of the VRF"),
	kernel_rx_buf_size: nothing,
	linkbeat_use_polling: (_draft, statement, context) =>
		warn(
			context,
			statement,
			`${keywordOf(statement)} is an old word, and not needed: links are followed by netlink`,
			"take it out",
		),
	garp_extra_if: unsupported("announcements leave by the interface of each address already"),
	vmac_garp_intvl: unsupported("announcements leave by the interface of each address already"),
	lvs_sync_daemon_interface: unsupported("the connection table of IPVS is not copied"),
};
