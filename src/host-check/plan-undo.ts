// What `--undo` would do. In: the file of a fix, the values in force. Out: the values to write. Pure.

import type { HostFacts } from "./host-facts.ts";
import { dotted } from "./judge-sysctl.ts";
import type { SysctlFile } from "./sysctl-file.ts";

export interface UndoPlan {
	readonly writes: readonly { readonly key: string; readonly value: string }[];
	/** Values that somebody else has changed since; they stay. */
	readonly remarks: readonly string[];
}

/** In the opposite order of the fix: what a switch sets along comes right at the end. */
export function planUndo(file: SysctlFile, sysctls: HostFacts["sysctls"]): UndoPlan {
	const writes: { key: string; value: string }[] = [];
	const remarks: string[] = [];
	for (const { key, value, before } of file.values.toReversed()) {
		const now = sysctls.get(key);
		if (now === undefined) remarks.push(`${dotted(key)} is not there any more`);
		else if (now === before) continue;
		else if (now === value) writes.push({ key, value: before });
		else
			remarks.push(
				`${dotted(key)} stays ${now}: it was changed after the fix, which had made it ${value} out of ${before}`,
			);
	}
	// Only where their switch goes back as well; an interface may have come or gone.
	const switches = writes.some(({ key }) => /ip_forward$|\/forwarding$/.test(key));
	for (const { key, before } of switches ? file.sideEffects : [])
		if (sysctls.has(key)) writes.push({ key, value: before });
	return { writes, remarks };
}
