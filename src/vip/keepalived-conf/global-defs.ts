// global_defs of keepalived.conf: what it sets for all instances.

import {
	type Directive,
	type DirectiveTable,
	error,
	flag,
	keywordOf,
	nothing,
	once,
	type TableEntry,
	toggle,
	tooMany,
	unsupported,
	value,
} from "./block-reader.ts";
import { type ConfCommand, readCommand } from "./conf-script.ts";
import type { Statement } from "./conf-tree.ts";
import { familyOf, isMulticast, microsValue, wholeValue } from "./conf-values.ts";
import { garpTable } from "./garp-directives.ts";
import type { GarpDraft } from "./instance-draft.ts";
import { splitQuotedWords } from "./split-words.ts";

export interface FifoDraft {
	path?: string;
	user?: string;
	group?: string;
	script?: ConfCommand;
}

export interface GlobalDraft {
	/** Statement of each directive, for what is said later about it. */
	readonly said: Map<string, Statement>;
	routerId?: string;
	version: 2 | 3;
	strict: boolean;
	skipsAddressCheck: boolean;
	checksUnicastSource: boolean;
	multicastGroup4: string;
	multicastGroup6: string;
	downAfterAdverts: number;
	noAdvertOnLower: boolean;
	advertOnHigher: boolean;
	readonly garp: GarpDraft;
	minimalGarp: boolean;
	garpIntervalMicros: number;
	gnaIntervalMicros?: number;
	startupDelayMicros: number;
	notifiesPriority: boolean;
	scriptUser?: string;
	scriptGroup?: string;
	scriptSecurity: boolean;
	readonly fifo: FifoDraft;
	readonly vrrpFifo: FifoDraft;
	virtualMacPrefix: string;
	dynamicInterfaces: boolean;
	defaultInterface?: string;
}

export function newGlobalDraft(): GlobalDraft {
	return {
		said: new Map(),
		version: 2,
		strict: false,
		skipsAddressCheck: false,
		checksUnicastSource: false,
		multicastGroup4: "224.0.0.18",
		multicastGroup6: "ff02::12",
		downAfterAdverts: 3,
		noAdvertOnLower: false,
		advertOnHigher: false,
		garp: {},
		minimalGarp: false,
		garpIntervalMicros: 0,
		startupDelayMicros: 0,
		notifiesPriority: false,
		scriptSecurity: false,
		fifo: {},
		vrrpFifo: {},
		virtualMacPrefix: "vrrp",
		dynamicInterfaces: false,
	};
}

const group = (family: "ipv4" | "ipv6"): TableEntry<GlobalDraft> =>
	value((draft, word, statement, context) => {
		if (familyOf(word) !== family || !isMulticast(word))
			return error(
				context,
				statement,
				`${JSON.stringify(word)} is no multicast address of ${family}; it is passed over`,
				"write one, or take it out",
			);
		if (family === "ipv4") draft.multicastGroup4 = word;
		else draft.multicastGroup6 = word;
	});

const fifo = (which: "fifo" | "vrrpFifo"): TableEntry<GlobalDraft> =>
	once((draft, statement, context) => {
		const [, path, user, owner] = splitQuotedWords(statement.text);
		if (path === undefined) return error(context, statement, `${keywordOf(statement)} has no value`, "write a path");
		if (draft[which].path !== undefined)
			return error(context, statement, "a FIFO is named already: the first one counts", "take one out");
		Object.assign(draft[which], {
			path,
			...(user === undefined ? {} : { user }),
			...(owner === undefined ? {} : { group: owner }),
		});
	});

const fifoScript = (which: "fifo" | "vrrpFifo"): TableEntry<GlobalDraft> =>
	once((draft, statement, context) => {
		if (draft[which].script)
			return error(context, statement, "a script is named already: the first one counts", "take one out");
		draft[which].script = readCommand(statement, context);
	});

const micros = (
	field: "garpIntervalMicros" | "gnaIntervalMicros" | "startupDelayMicros",
	max: number,
): TableEntry<GlobalDraft> =>
	value((draft, word, statement, context) => {
		const amount = microsValue(word, { min: 0, max, otherwise: "it is passed over" }, statement, context);
		if (amount !== undefined) draft[field] = amount;
	});

const ownProcess = unsupported<GlobalDraft>(
	"it is about keepalived's own processes",
	"take it out; keepmesh vip sets its scheduling by itself",
);
const snmp = unsupported<GlobalDraft>("there is no SNMP", "read /metrics");
const dbus = unsupported<GlobalDraft>("there is no D-Bus", "read the JSON status");
const firewall = unsupported<GlobalDraft>("packets to addresses are dropped by a table of Keepmesh's own");
const ipvs = unsupported<GlobalDraft>("it belongs to the layer-4 part, which does not read it");
const reload = unsupported<GlobalDraft>("files are followed and taken over when they are good");

const each = (names: string, read: Directive<GlobalDraft>): DirectiveTable<GlobalDraft> =>
	Object.fromEntries(names.split(" ").map((name) => [name, read]));

export const globalTable: DirectiveTable<GlobalDraft> = {
	router_id: value((draft, word) => {
		draft.routerId = word;
	}),
	script_user: once((draft, statement, context) => {
		const [, user, owner] = statement.words;
		if (user === undefined)
			return error(context, statement, "script_user has no value", "write script_user NAME [GROUP]");
		draft.scriptUser = user;
		draft.scriptGroup = owner;
		tooMany(statement, 3, context);
	}),
	enable_script_security: flag((draft) => {
		draft.scriptSecurity = true;
	}),
	vrrp_version: value((draft, word, statement, context) => {
		if (word === "2" || word === "3") draft.version = word === "2" ? 2 : 3;
		else error(context, statement, `${JSON.stringify(word)} is no version: ${draft.version} is taken`, "write 2 or 3");
	}),
	vrrp_strict: flag((draft) => {
		draft.strict = true;
	}),
	...garpTable("vrrp_"),
	vrrp_min_garp: toggle((draft, on) => {
		draft.minimalGarp = on;
	}),
	vrrp_garp_interval: micros("garpIntervalMicros", 1),
	vrrp_gna_interval: micros("gnaIntervalMicros", 1),
	vrrp_skip_check_adv_addr: toggle((draft, on) => {
		draft.skipsAddressCheck = on;
	}),
	vrrp_check_unicast_src: flag((draft) => {
		draft.checksUnicastSource = true;
	}),
	vrrp_mcast_group4: group("ipv4"),
	vrrp_mcast_group6: group("ipv6"),
	vrrp_down_timer_adverts: value((draft, word, statement, context) => {
		draft.downAfterAdverts = wholeValue(word, { min: 1, max: 100, otherwise: "3 is taken" }, statement, context) ?? 3;
	}),
	vrrp_lower_prio_no_advert: toggle((draft, on) => {
		draft.noAdvertOnLower = on;
	}),
	vrrp_higher_prio_send_advert: toggle((draft, on) => {
		draft.advertOnHigher = on;
	}),
	vrrp_startup_delay: micros("startupDelayMicros", 1000),
	vrrp_notify_priority_changes: toggle((draft, on) => {
		draft.notifiesPriority = on;
	}),
	dynamic_interfaces: (draft, statement, context) => {
		const [, word] = statement.words;
		if (word !== undefined && word !== "allow_if_changes")
			error(context, statement, `there is no option ${JSON.stringify(word)}`, "write allow_if_changes, or nothing");
		draft.dynamicInterfaces = true;
	},
	default_interface: value((draft, word) => {
		draft.defaultInterface = word;
	}),
	vmac_prefix: value((draft, word) => {
		draft.virtualMacPrefix = word;
	}),
	notify_fifo: fifo("fifo"),
	notify_fifo_script: fifoScript("fifo"),
	vrrp_notify_fifo: fifo("vrrpFifo"),
	vrrp_notify_fifo_script: fifoScript("vrrpFifo"),
	// Mail: read and passed over.
	...each(
		"notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert smtp_alert_vrrp smtp_alert_checker no_email_faults no_checker_emails",
		nothing,
	),
	...each("checker_log_all_failures log_unknown_vrids rs_init_notifies child_wait_time", nothing),
	...each(
		"vrrp_rt_priority vrrp_rlimit_rttime vrrp_rlimit_rtime vrrp_priority vrrp_no_swap vrrp_cpu_affinity max_auto_priority min_auto_priority_delay",
		nothing,
	),
	...each(
		"process_names process_name vrrp_process_name checker_process_name lvs_process_name bfd_process_name umask tmp_config_directory config_save_dir data_use_instance",
		nothing,
	),
	...each(
		"vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier",
		nothing,
	),
	...each(
		"lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force",
		nothing,
	),
	...each(
		"checker_priority bfd_priority checker_no_swap bfd_no_swap checker_cpu_affinity bfd_cpu_affinity checker_rt_priority bfd_rt_priority checker_rlimit_rttime bfd_rlimit_rttime checker_rlimit_rtime bfd_rlimit_rtime",
		nothing,
	),
	...each(
		"startup_script startup_script_timeout shutdown_script shutdown_script_timeout instance net_namespace net_namespace_ipvs namespace_with_ipsets use_pid_dir linkbeat_use_polling",
		ownProcess,
	),
	...each(
		"snmp_socket enable_snmp_keepalived enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps",
		snmp,
	),
	...each("enable_dbus dbus_service_name", dbus),
	...each(
		"nftables nftables_priority nftables_counters nftables_ifindex vrrp_iptables vrrp_ipsets disable_local_igmp",
		firewall,
	),
	...each(
		"lvs_sync_daemon lvs_timeouts lvs_flush lvs_flush_on_stop nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark lvs_notify_fifo lvs_notify_fifo_script",
		ipvs,
	),
	...each("reload_check_config reload_time_file reload_repeat reload_file fifo_write_vrrp_states_on_reload", reload),
	vrrp_garp_extra_if: unsupported("announcements leave by the interface of each address already"),
	vrrp_vmac_garp_intvl: unsupported("announcements leave by the interface of each address already"),
	vmac_addr_prefix: unsupported("it belongs to use_vmac_addr"),
	random_seed: unsupported("_RANDOM is not drawn"),
	include_check: unsupported("use includea where a file must be there"),
};
