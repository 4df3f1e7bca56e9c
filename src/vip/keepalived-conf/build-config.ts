// All that a keepalived.conf defines in, one VipConfig out: instances completed, trackers resolved, groups and VRIDs compared.

import type { InstanceConfig, SyncGroupConfig, TrackedBy, TrackerConfig, VipConfig, VipGlobal } from "../vip-config.ts";
import { type BlockContext, error, warn } from "./block-reader.ts";
import { completeInstance } from "./complete-instance.ts";
import { notifyConfigOf } from "./conf-notify.ts";
import type { Report } from "./conf-report.ts";
import type { BfdDraft, FileDraft, ProcessDraft, ScriptDraft } from "./conf-trackers.ts";
import type { GlobalDraft } from "./global-defs.ts";
import type { InstanceDraft } from "./instance-draft.ts";
import type { InterfaceDelay } from "./interface-delays.ts";
import { TrackerResolver } from "./resolve-trackers.ts";
import type { GroupDraft } from "./sync-group.ts";
import type { VirtualServer, VirtualServerGroup } from "./virtual-servers.ts";

export interface FileDrafts {
	readonly global: GlobalDraft;
	readonly instances: Map<string, InstanceDraft>;
	readonly groups: Map<string, GroupDraft>;
	readonly scripts: Map<string, ScriptDraft>;
	readonly files: Map<string, FileDraft>;
	readonly processes: Map<string, ProcessDraft>;
	readonly bfds: Map<string, BfdDraft>;
	readonly interfaceDelays: InterfaceDelay[];
	readonly servers: VirtualServer[];
	readonly serverGroups: VirtualServerGroup[];
}

export interface BuildOptions {
	readonly configId: string;
	readonly hostName?: string;
	readonly scriptUser?: string;
}

export function buildConfig(drafts: FileDrafts, options: BuildOptions, report: Report): VipConfig {
	const resolver = new TrackerResolver(drafts);
	const completed = [...drafts.instances.values()].flatMap((draft) => {
		const context = { report, block: `vrrp_instance ${draft.name}` };
		const tracked = resolver.resolve(draft.tracks, draft.interface, context);
		const instance = completeInstance(draft, drafts.global, tracked, context);
		return instance ? [instance] : [];
	});
	const instances = withoutClashes(completed, drafts, report);
	const groups = groupsOf(drafts, instances, resolver, report);
	const { trackers } = resolver;
	warnOfUnused(drafts, trackers, report);
	warnOfIgnoredWeights(instances, groups, trackers, drafts, report);
	return { global: globalOf(drafts, options), instances, groups, trackers };
}

function globalOf({ global, interfaceDelays }: FileDrafts, options: BuildOptions): VipGlobal {
	const fifos = [global.fifo, global.vrrpFifo].filter((fifo) => fifo.path !== undefined);
	return {
		routerName: global.routerId ?? options.hostName ?? options.configId,
		startupDelayMs: global.startupDelayMicros / 1000,
		multicastGroup4: global.multicastGroup4,
		multicastGroup6: global.multicastGroup6,
		notifyFifos: fifos.flatMap(({ path }) => (path === undefined ? [] : [path])),
		...(fifos.some(({ script }) => script)
			? {
					fifoScripts: fifos.flatMap(({ path, script }) => {
						if (path === undefined || !script) return [];
						const { argv, user, group } = script;
						const owner = user === undefined ? {} : { owner: { user, ...(group === undefined ? {} : { group }) } };
						return [{ fifo: path, argv, ...owner }];
					}),
				}
			: {}),
		...(interfaceDelays.length > 0 ? { interfaceDelays } : {}),
		scripts: {
			user: global.scriptUser ?? options.scriptUser ?? "root",
			...(global.scriptGroup === undefined ? {} : { group: global.scriptGroup }),
			security: global.scriptSecurity,
		},
	};
}

/** Two instances of one family, interface and VRID hear each other: keepalived leaves the second out. */
function withoutClashes(
	instances: readonly InstanceConfig[],
	drafts: FileDrafts,
	report: Report,
): readonly InstanceConfig[] {
	const kept: InstanceConfig[] = [];
	for (const instance of instances) {
		const other = kept.find((before) => clash(before, instance));
		const draft = drafts.instances.get(instance.name);
		if (other && draft) {
			error(
				{ report, block: `vrrp_instance ${instance.name}` },
				draft.said.get("virtual_router_id") ?? draft.statement,
				`${other.name} has virtual_router_id ${instance.virtualRouterId} on ${instance.interface} as well: they hear each other's adverts`,
				"give one of them another virtual_router_id, on every node",
			);
		} else kept.push(instance);
	}
	return kept;
}

function clash(a: InstanceConfig, b: InstanceConfig): boolean {
	if (a.virtualRouterId !== b.virtualRouterId || a.interface !== b.interface || a.family !== b.family) return false;
	if (a.transport.type === "multicast" && b.transport.type === "multicast")
		return a.transport.group === b.transport.group;
	if (a.transport.type !== "unicast" || b.transport.type !== "unicast") return false;
	const peers = new Set(a.transport.peers.map((peer) => peer.address));
	return b.transport.peers.some((peer) => peers.has(peer.address));
}

function groupsOf(
	drafts: FileDrafts,
	instances: readonly InstanceConfig[],
	resolver: TrackerResolver,
	report: Report,
): readonly SyncGroupConfig[] {
	const groups: SyncGroupConfig[] = [];
	const taken = new Map<string, string>();
	for (const draft of drafts.groups.values()) {
		const context = { report, block: `vrrp_sync_group ${draft.name}` };
		const members = membersOf(draft, instances, taken, context);
		if (members.length === 0) {
			error(
				context,
				draft.statement,
				"the group has no member: keepalived leaves it out",
				"write group { INSTANCE ... }",
			);
			continue;
		}
		if (members.length === 1)
			warn(
				context,
				draft.statement,
				"the group has one member, and does nothing that the instance does not",
				"take it out",
			);
		for (const member of members) taken.set(member, draft.name);
		const tracked = resolver.resolve(draft.tracks, undefined, context);
		groups.push({ name: draft.name, members, tracked, usesWeights: draft.usesWeights, notify: notifyConfigOf(draft) });
	}
	return groups;
}

function membersOf(
	draft: GroupDraft,
	instances: readonly InstanceConfig[],
	taken: ReadonlyMap<string, string>,
	context: BlockContext,
): readonly string[] {
	const members: string[] = [];
	for (const name of draft.members ?? []) {
		if (!instances.some((instance) => instance.name === name))
			error(
				context,
				draft.statement,
				`there is no vrrp_instance ${name}: keepalived leaves it out of the group`,
				"correct the name",
			);
		else if (taken.has(name))
			error(context, draft.statement, `${name} is a member of ${taken.get(name)} already`, "name it in one group");
		else if (!members.includes(name)) members.push(name);
	}
	return members;
}

function warnOfUnused(drafts: FileDrafts, trackers: readonly TrackerConfig[], report: Report): void {
	const used = new Set([
		...drafts.servers.flatMap(({ realServers }) =>
			realServers.flatMap(({ checks }) => checks.flatMap((check) => (check.type === "file" ? [check.trackFile] : []))),
		),
		...trackers.flatMap(({ name }) => [name, name.replace(/^(?:script|file|process|bfd)\//, "")]),
	]);
	const sources = [
		...drafts.scripts.values(),
		...drafts.files.values(),
		...drafts.processes.values(),
		...drafts.bfds.values(),
	];
	for (const { name, statement } of sources)
		if (!used.has(name))
			warn(
				{ report, block: `${statement.words[0]} ${name}` },
				statement,
				"nobody tracks it: it never runs",
				"name it in a track_ block of an instance, or take it out",
				"KM-silent",
			);
}

/** The weight with which an instance or a group tracks. */
export function weightOf(tracked: TrackedBy, trackers: readonly TrackerConfig[]): number {
	return tracked.weight ?? trackers.find(({ name }) => name === tracked.tracker)?.weight ?? 0;
}

/** Weights that cannot count: in groups, and beside priority 255. */
function warnOfIgnoredWeights(
	instances: readonly InstanceConfig[],
	groups: readonly SyncGroupConfig[],
	trackers: readonly TrackerConfig[],
	drafts: FileDrafts,
	report: Report,
): void {
	for (const instance of instances) {
		const draft = drafts.instances.get(instance.name);
		if (!draft) continue;
		const context = { report, block: `vrrp_instance ${instance.name}` };
		const group = groups.find(({ members, usesWeights }) => members.includes(instance.name) && !usesWeights);
		for (const tracked of instance.tracked) {
			const line = draft.tracks.find(
				(track) => tracked.tracker === track.name || tracked.tracker.endsWith(`/${track.name}`),
			)?.line;
			if (!line || weightOf(tracked, trackers) === 0) continue;
			if (group)
				warn(
					context,
					line,
					`${tracked.tracker} has a weight, and the instance is in the group ${group.name}: it is not tracked at all`,
					"track it with weight 0, in the group, or write sync_group_tracking_weight",
				);
			else if (instance.priority === 255)
				warn(
					context,
					line,
					`${tracked.tracker} has a weight, which cannot change priority 255: it is not tracked at all`,
					"track it with weight 0, or lower the priority",
				);
		}
	}
}
