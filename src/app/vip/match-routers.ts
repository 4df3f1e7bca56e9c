// A changed configuration against what runs: which virtual router goes on, with what, which one ends, which one is new.

import type { InstanceConfig } from "../../vip/vip-config.ts";

export interface RouterChanges {
	/** By the name that runs. `config` equals the old one where nothing changed. */
	readonly kept: readonly { readonly before: InstanceConfig; readonly config: InstanceConfig }[];
	readonly removed: readonly InstanceConfig[];
	readonly added: readonly InstanceConfig[];
}

/** On the wire a virtual router is its VRID on a link. A renamed one goes on; one that moves to another link ends. */
export function matchRouters(before: readonly InstanceConfig[], now: readonly InstanceConfig[]): RouterChanges {
	const left = new Set(before);
	const kept: { before: InstanceConfig; config: InstanceConfig }[] = [];
	const unmatched = now.filter((config) => {
		const same = [...left].find((old) => old.name === config.name && isSameRouter(old, config));
		if (same) {
			left.delete(same);
			kept.push({ before: same, config });
		}
		return !same;
	});
	const added = unmatched.filter((config) => {
		const renamed = [...left].find((old) => isSameRouter(old, config));
		if (renamed) {
			left.delete(renamed);
			kept.push({ before: renamed, config });
		}
		return !renamed;
	});
	return { kept, removed: [...left], added };
}

function isSameRouter(a: InstanceConfig, b: InstanceConfig): boolean {
	return (
		a.family === b.family &&
		a.interface === b.interface &&
		a.virtualRouterId === b.virtualRouterId &&
		JSON.stringify(a.virtualMac) === JSON.stringify(b.virtualMac)
	);
}
