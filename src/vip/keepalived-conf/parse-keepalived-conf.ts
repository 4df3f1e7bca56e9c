// keepalived.conf in; what it makes keepalived 2.2 do, its virtual servers, and everything worth saying about it, out.
// keepalived.conf(5). Files that it includes are read through an injected function.

import type { Problem } from "../../resources/problem.ts";
import type { VipConfig } from "../vip-config.ts";
import {
	type BlockContext,
	type Directive,
	error,
	needsBody,
	readBlock,
	reportUnknown,
	unsupported,
	warn,
} from "./block-reader.ts";
import { buildConfig, type FileDrafts } from "./build-config.ts";
import { withoutUndefined } from "./conf-addresses.ts";
import { type ConfFiles, readConfLines } from "./conf-lines.ts";
import { newReport } from "./conf-report.ts";
import { readBfd, readScript, readTrackFile, readTrackProcess } from "./conf-trackers.ts";
import { nameOf, readStatements, type Statement } from "./conf-tree.ts";
import { globalTable, newGlobalDraft } from "./global-defs.ts";
import { instanceTable } from "./instance-directives.ts";
import { newInstanceDraft } from "./instance-draft.ts";
import { readInterfaceDelay } from "./interface-delays.ts";
import { readVirtualServerGroup } from "./read-server-targets.ts";
import { readVirtualServer } from "./read-virtual-servers.ts";
import { groupTable, newGroupDraft } from "./sync-group.ts";
import type { VirtualServers } from "./virtual-servers.ts";

export interface ParseOptions {
	readonly files?: ConfFiles;
	/** keepalived's `-i`: what `@ID` lines are compared with; the first part of the host's name. */
	readonly configId: string;
	/** Parameters that are there before the first line; values of several lines have line feeds. */
	readonly parameters?: ReadonlyMap<string, string>;
	/** `router_id` when the file has none. Default: the configuration's id. */
	readonly hostName?: string;
	/** Who runs scripts when the file does not say: `keepalived_script` where that user exists. Default root. */
	readonly scriptUser?: string;
}

export interface ParsedConf {
	/** What keepalived would run: what is wrong is left out as keepalived leaves it out. */
	readonly config: VipConfig;
	readonly servers: VirtualServers;
	/** Real servers that are good at the start run their notify_up (`rs_init_notifies`). */
	readonly notifiesServersAtStart: boolean;
	/** Errors: something that the file says is not done. */
	readonly problems: readonly Problem[];
	/** Line of a directive of an instance, or of a block without a name (`vrrp_script chk`); 1 when it is not in this file. */
	line(instance: string, directive: string): number;
}

export function parseKeepalivedConf(path: string, text: string, options: ParseOptions): ParsedConf {
	const report = newReport();
	const statements = readStatements(readConfLines(path, text, options, report), report);
	const drafts = newDrafts();
	const shared = { report, ...(options.files ? { files: options.files } : {}) };
	const top: BlockContext = { ...shared, block: "" };
	for (const statement of statements) {
		const name = statement.words[0] ?? "";
		const entry = Object.hasOwn(topDirectives, name) ? topDirectives[name] : undefined;
		if (entry) entry(drafts, statement, { ...shared, block: nameOf(statement) });
		else reportUnknown(statement, Object.keys(topDirectives), top);
	}
	const config = buildConfig(drafts, options, report);
	const trackFiles = new Map(
		[...drafts.files].flatMap(([name, { path, initial, overwrites, weight, reverse }]) =>
			path === undefined
				? []
				: [[name, { path, overwrites, weight, reverse, ...withoutUndefined({ initial }) }] as const],
		),
	);
	const servers = {
		servers: drafts.servers,
		groups: drafts.serverGroups,
		...(trackFiles.size > 0 ? { trackFiles } : {}),
	};
	const line = (instance: string, directive: string): number => {
		const draft = drafts.instances.get(instance);
		const found =
			draft?.said.get(directive) ?? draft?.statement ?? statements.find((statement) => nameOf(statement) === directive);
		return found?.place.line ?? 1;
	};
	const notifiesServersAtStart = drafts.global.said.has("rs_init_notifies");
	return { config, servers, notifiesServersAtStart, problems: inOrder(report.problems, path), line };
}

function newDrafts(): FileDrafts {
	return {
		global: newGlobalDraft(),
		instances: new Map(),
		groups: new Map(),
		scripts: new Map(),
		files: new Map(),
		processes: new Map(),
		bfds: new Map(),
		interfaceDelays: [],
		servers: [],
		serverGroups: [],
	};
}

type TopDirective = Directive<FileDrafts>;

/** A block with a name of its own; the second of a name is passed over. */
function named<D>(
	pick: (drafts: FileDrafts) => Map<string, D>,
	read: (name: string, statement: Statement, context: BlockContext) => D,
): TopDirective {
	return (drafts, statement, context) => {
		const [keyword = "", name, ...more] = statement.words;
		if (name === undefined)
			return error(
				context,
				statement,
				`${keyword} has no name; keepalived passes over the block`,
				`write ${keyword} NAME { ... }`,
			);
		const hint = `write ${keyword} NAME { ... }, or put the name in "..."`;
		const extra = JSON.stringify(more.join(" "));
		if (more.length > 0 && (keyword === "vrrp_instance" || keyword === "vrrp_sync_group"))
			return error(context, statement, `${extra} after the name: keepalived passes over the block`, hint);
		if (more.length > 0) error(context, statement, `${extra} after the name is passed over`, hint, "KM-silent");
		if (pick(drafts).has(name))
			return error(
				context,
				statement,
				`there is a ${keyword} ${name} already: this block is passed over`,
				"give it another name",
			);
		if (!needsBody(statement, context)) return;
		pick(drafts).set(name, read(name, statement, context));
	};
}

const statics = (what: string): TopDirective =>
	unsupported(`${what} are not made by keepmesh vip`, "make them with the system's network configuration");

const globalBlock: TopDirective = (drafts, statement, context) => {
	if (!needsBody(statement, context)) return;
	for (const child of statement.body ?? []) drafts.global.said.set(child.words[0] ?? "", child);
	readBlock(statement.body ?? [], globalTable, drafts.global, context);
};

const topDirectives: Readonly<Record<string, TopDirective>> = {
	global_defs: globalBlock,
	vrrp_instance: named(
		(drafts) => drafts.instances,
		(name, statement, context) => {
			const draft = newInstanceDraft(name, statement);
			for (const child of statement.body ?? []) draft.said.set(child.words[0] ?? "", child);
			readBlock(statement.body ?? [], instanceTable, draft, context);
			return draft;
		},
	),
	vrrp_sync_group: named(
		(drafts) => drafts.groups,
		(name, statement, context) => {
			const draft = newGroupDraft(name, statement);
			readBlock(statement.body ?? [], groupTable, draft, context);
			return draft;
		},
	),
	vrrp_script: named((drafts) => drafts.scripts, readScript),
	track_file: named((drafts) => drafts.files, readTrackFile),
	vrrp_track_file: (drafts, statement, context) => {
		warn(context, statement, "vrrp_track_file is an old word", "write track_file", "KM-silent");
		topDirectives.track_file?.(drafts, statement, context);
	},
	vrrp_track_process: named((drafts) => drafts.processes, readTrackProcess),
	bfd_instance: named((drafts) => drafts.bfds, readBfd),
	interface_up_down_delays: (drafts, statement, context) => {
		if (needsBody(statement, context))
			for (const line of statement.body ?? []) readInterfaceDelay(drafts.interfaceDelays, line, context);
	},
	virtual_server: (drafts, statement, context) => readVirtualServer(drafts.servers, statement, context),
	virtual_server_group: (drafts, statement, context) => readVirtualServerGroup(drafts.serverGroups, statement, context),
	static_ipaddress: statics("static addresses"),
	static_routes: statics("static routes"),
	static_rules: statics("static rules"),
	track_group: unsupported("it belongs to static addresses and routes"),
	garp_group: unsupported("announcements of several interfaces are not spaced together", "write vrrp_garp_interval"),
	linkbeat_interfaces: unsupported("links are followed by netlink"),
	SSL: unsupported("checks use the system's authorities"),
	net_namespace: unsupported(
		"start keepmesh vip inside of the namespace",
		"write ip netns exec NAME keepmesh vip run ...",
	),
	net_namespace_ipvs: unsupported("it belongs to the layer-4 part, which does not read it"),
	namespace_with_ipsets: unsupported("there are no ipsets"),
	instance: unsupported("it names keepalived's own files"),
	use_pid_dir: unsupported("it names keepalived's own files"),
	linkbeat_use_polling: unsupported("links are followed by netlink"),
	child_wait_time: unsupported("it is about keepalived's own processes"),
};

/** By line for the main file, then what belongs to others. */
function inOrder(problems: readonly Problem[], path: string): readonly Problem[] {
	const rank = (problem: Problem): number => (problem.origin.file === path ? 0 : 1);
	return problems
		.map((problem, index) => ({ problem, index }))
		.sort(
			(a, b) =>
				rank(a.problem) - rank(b.problem) ||
				(a.problem.origin.file === b.problem.origin.file ? a.problem.origin.line - b.problem.origin.line : 0) ||
				a.index - b.index,
		)
		.map(({ problem }) => problem);
}
