// What instances and groups track, and what the file defines, in; trackers and who is tracked with which weight, out.

import type { TrackedBy, TrackerConfig } from "../vip-config.ts";
import { type BlockContext, error, warn } from "./block-reader.ts";
import { withoutUndefined } from "./conf-addresses.ts";
import type { BfdDraft, FileDraft, ProcessDraft, ScriptDraft } from "./conf-trackers.ts";
import type { TrackDraft, TrackKind } from "./conf-tracks.ts";

/** Everything that the file defines and that can be tracked; names are unique within a kind only. */
export interface TrackableDrafts {
	readonly scripts: ReadonlyMap<string, ScriptDraft>;
	readonly files: ReadonlyMap<string, FileDraft>;
	readonly processes: ReadonlyMap<string, ProcessDraft>;
	readonly bfds: ReadonlyMap<string, BfdDraft>;
}

export class TrackerResolver {
	private readonly drafts: TrackableDrafts;
	/** By kind and name. */
	private readonly made = new Map<string, TrackerConfig>();
	private readonly names = new Set<string>();

	constructor(drafts: TrackableDrafts) {
		this.drafts = drafts;
	}

	/** In the order in which they were first tracked. */
	get trackers(): readonly TrackerConfig[] {
		return [...this.made.values()];
	}

	/** What cannot be tracked is reported and left out, as keepalived does. */
	resolve(
		tracks: readonly TrackDraft[],
		ownInterface: string | undefined,
		context: BlockContext,
	): readonly TrackedBy[] {
		return tracks.flatMap((track) => {
			if (track.kind === "interface" && track.name === ownInterface) {
				warn(
					context,
					track.line,
					`${track.name} is the instance's own interface, which is tracked anyhow`,
					"take it out",
				);
				return [];
			}
			const tracker = this.trackerOf(track.kind, track.name);
			if (!tracker) {
				const block = {
					interface: "interface",
					script: "vrrp_script",
					file: "track_file",
					process: "vrrp_track_process",
					bfd: "bfd_instance",
				}[track.kind];
				error(
					context,
					track.line,
					`there is no ${block} ${track.name}, or it is not complete: nothing is tracked here`,
					`write ${block} ${track.name} { ... }`,
				);
				return [];
			}
			const { weight, reverse } = track;
			return [{ tracker: tracker.name, ...withoutUndefined({ weight, reverse }) }];
		});
	}

	private trackerOf(kind: TrackKind, name: string): TrackerConfig | undefined {
		const key = `${kind}/${name}`;
		const before = this.made.get(key);
		if (before) return before;
		const made = this.make(kind, name);
		if (!made) return undefined;
		const unique = { ...made, name: this.names.has(name) ? key : name };
		this.names.add(unique.name);
		this.made.set(key, unique);
		return unique;
	}

	private make(kind: TrackKind, name: string): TrackerConfig | undefined {
		switch (kind) {
			case "interface":
				return plain(name, { weight: 0, reverse: false }, { type: "interface", interface: name });
			case "script":
				return scriptTracker(this.drafts.scripts.get(name));
			case "file":
				return fileTracker(this.drafts.files.get(name));
			case "process":
				return processTracker(this.drafts.processes.get(name));
			case "bfd":
				return bfdTracker(this.drafts.bfds.get(name));
			default:
				return kind satisfies never;
		}
	}
}

function plain(
	name: string,
	{ weight, reverse }: { readonly weight: number; readonly reverse: boolean },
	check: TrackerConfig["check"],
): TrackerConfig {
	return { name, weight, reverse, rise: 1, fall: 1, startsFailed: false, firstResultDecides: true, check };
}

function scriptTracker(draft: ScriptDraft | undefined): TrackerConfig | undefined {
	if (!draft?.command) return undefined;
	const { name, weight, reverse, rise, fall, startsFailed, intervalMs, timeoutMs = intervalMs, user, group } = draft;
	const owner = withoutUndefined({
		user: user ?? draft.command.user,
		group: user === undefined ? draft.command.group : group,
	});
	return {
		...plain(name, { weight, reverse }, { type: "script", argv: draft.command.argv, ...owner, intervalMs, timeoutMs }),
		rise,
		fall,
		startsFailed,
	};
}

function fileTracker(draft: FileDraft | undefined): TrackerConfig | undefined {
	if (draft?.path === undefined) return undefined;
	const { name, path, initial, overwrites } = draft;
	return plain(name, draft, {
		type: "file",
		path,
		...withoutUndefined({ initial }),
		...(overwrites ? { overwrites } : {}),
	});
}

function processTracker(draft: ProcessDraft | undefined): TrackerConfig | undefined {
	if (!draft?.command) return undefined;
	const [command = "", ...parameters] = draft.command;
	const { name, quorum, quorumMax, forkDelayMs, terminateDelayMs, match, fullCommand } = draft;
	return plain(name, draft, {
		type: "process",
		name: command,
		...(match === undefined ? {} : { arguments: parameters }),
		...(match === undefined || match === "exact" ? {} : { argumentMatch: match }),
		...(fullCommand ? { fullCommand } : {}),
		quorum,
		...withoutUndefined({ quorumMax }),
		delayMs: forkDelayMs,
		...(terminateDelayMs > 0 ? { terminateDelayMs } : {}),
	});
}

function bfdTracker(draft: BfdDraft | undefined): TrackerConfig | undefined {
	if (draft?.peer === undefined) return undefined;
	const { name, peer, source, minReceiveMs, minTransmitMs, idleTransmitMs, multiplier, passive, ttl, maxHops } = draft;
	return plain(name, draft, {
		type: "bfd",
		peer,
		...withoutUndefined({ source, ttl }),
		minReceiveMs,
		minTransmitMs,
		idleTransmitMs,
		multiplier,
		...(passive ? { passive } : {}),
		...(maxHops > 0 ? { maxHops } : {}),
	});
}
