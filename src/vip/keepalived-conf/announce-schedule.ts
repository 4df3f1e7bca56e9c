// garp_* of an instance and of global_defs in, the AnnounceSchedule out.

import type { AnnounceSchedule } from "../vip-config.ts";
import { type BlockContext, warn } from "./block-reader.ts";
import type { GlobalDraft } from "./global-defs.ts";
import type { InstanceDraft } from "./instance-draft.ts";

export function announceScheduleOf(
	{ garp, said, statement }: InstanceDraft,
	global: GlobalDraft,
	strict: boolean,
	context: BlockContext,
): AnnounceSchedule {
	const shared = global.garp;
	const minimal = global.minimalGarp;
	const delaySec = shared.delaySec ?? (minimal ? 0 : 5);
	const repeat = shared.repeat ?? (minimal ? 1 : 5);
	// Global values are the fallback, not what the instance says about garp_master_*.
	const lower = strict
		? { repeat: 0, delaySec: 0 }
		: {
				repeat: garp.lowerRepeat ?? shared.lowerRepeat ?? repeat,
				delaySec: garp.lowerDelaySec ?? shared.lowerDelaySec ?? delaySec,
			};
	const refused = [
		["garp_lower_prio_repeat", garp.lowerRepeat],
		["garp_lower_prio_delay", garp.lowerDelaySec],
	] as const;
	if (strict)
		for (const [directive, said_] of refused)
			if (said_)
				warn(
					context,
					said.get(directive) ?? statement,
					`strict mode repeats no announcements: ${directive} is taken back`,
					"take it out",
				);
	return {
		repeat: garp.repeat ?? repeat,
		delayMs: 1000 * (garp.delaySec ?? delaySec),
		refreshMs: 1000 * (garp.refreshSec ?? shared.refreshSec ?? 0),
		refreshRepeat: garp.refreshRepeat ?? shared.refreshRepeat ?? 1,
		spacingMs: global.garpIntervalMicros / 1000,
		...(global.gnaIntervalMicros === undefined ? {} : { neighbourSpacingMs: global.gnaIntervalMicros / 1000 }),
		lowerPriorityRepeat: lower.repeat,
		lowerPriorityDelayMs: 1000 * lower.delaySec,
	};
}
