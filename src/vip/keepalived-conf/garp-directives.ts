// garp_* of an instance and vrrp_garp_* of global_defs: the same values under two names.

import { type DirectiveTable, type TableEntry, value, warn } from "./block-reader.ts";
import { wholeValue } from "./conf-values.ts";
import type { GarpDraft } from "./instance-draft.ts";

interface HasGarp {
	readonly garp: GarpDraft;
}

const field = (name: keyof GarpDraft, min: number, otherwise: string): TableEntry<HasGarp> =>
	value((draft, word, statement, context) => {
		const number = wholeValue(word, { min: 0, max: 2 ** 31 - 1, otherwise }, statement, context);
		if (number === undefined) return;
		if (number < min) warn(context, statement, `must be ${min} at least: ${min} is taken`, `write ${min} or more`);
		draft.garp[name] = Math.max(min, number);
	});

/** `prefix` is "" or "vrrp_". */
export function garpTable(prefix: "" | "vrrp_"): DirectiveTable<HasGarp> {
	const otherwise = "the default is taken";
	return {
		[`${prefix}garp_master_delay`]: field("delaySec", 0, otherwise),
		[`${prefix}garp_master_repeat`]: field("repeat", 1, otherwise),
		[`${prefix}garp_lower_prio_delay`]: field("lowerDelaySec", 0, otherwise),
		[`${prefix}garp_lower_prio_repeat`]: field("lowerRepeat", 0, otherwise),
		[`${prefix}garp_master_refresh`]: field("refreshSec", 0, otherwise),
		[`${prefix}garp_master_refresh_repeat`]: field("refreshRepeat", 1, otherwise),
	};
}
