// What a fix would do, before anything is done. In: findings, the file of an earlier fix, what may be loosened. Out: the new
// file, the values to write, what is left alone and why. Pure.

import type { HostFacts } from "./host-facts.ts";
import { dotted } from "./judge-sysctl.ts";
import type { Finding, SysctlFix } from "./setting.ts";
import { renderSysctlFile, type SysctlFile, sysctlFilePath } from "./sysctl-file.ts";

export interface FixPlan {
	readonly file: SysctlFile;
	readonly text: string;
	/** Values to write now, in this order. */
	readonly writes: readonly { readonly key: string; readonly value: string }[];
	/** Said aloud: what a change means, what is left alone, what another file overrides. */
	readonly remarks: readonly string[];
}

/**
 * Keys of an earlier file stay in it, with the values that were before the first fix. `loosen`: dotted keys that may be changed
 * although that opens something. Notes are advice: they are written only when they are named there.
 */
export function planFix(
	findings: readonly Finding[],
	facts: HostFacts,
	earlier: SysctlFile | undefined,
	loosen: ReadonlySet<string>,
): FixPlan {
	const values = new Map(earlier?.values.map((value) => [value.key, value]) ?? []);
	const sideEffects = new Map(earlier?.sideEffects.map(({ key, before }) => [key, before]) ?? []);
	const writes: { key: string; value: string }[] = [];
	const remarks: string[] = [];
	for (const { id, level, fix } of findings) {
		if (!fix || level === "ok") continue;
		const isNamed = loosen.has(id);
		if (level === "note" && !isNamed) continue;
		if (fix.loosens !== undefined && !isNamed) {
			remarks.push(
				`${id} stays ${currentOf(facts, fix.key)}, because ${fix.loosens}; to have it changed: --loosen ${id}`,
			);
			continue;
		}
		if (fix.means !== undefined) remarks.push(`${id} = ${fix.value}: ${fix.means}`);
		if (fix.loosens !== undefined) remarks.push(`${id} = ${fix.value}: from now on ${fix.loosens}`);
		const before = values.get(fix.key)?.before ?? currentOf(facts, fix.key);
		values.set(fix.key, { key: fix.key, value: fix.value, before });
		writes.push({ key: fix.key, value: fix.value });
		for (const key of changedAlong(fix, facts)) {
			if (!sideEffects.has(key)) sideEffects.set(key, currentOf(facts, key));
		}
	}
	const file: SysctlFile = {
		values: [...values.values()].sort(byOrder),
		sideEffects: [...sideEffects].map(([key, before]) => ({ key, before })),
	};
	writes.sort(byOrder);
	return { file, text: renderSysctlFile(file), writes, remarks: [...remarks, ...overridden(file, facts)] };
}

/** Switches of forwarding first: they set others, which must then keep the values given to them. */
function byOrder(a: { readonly key: string }, b: { readonly key: string }): number {
	return rank(a.key) - rank(b.key) || (a.key < b.key ? -1 : 1);
}
const rank = (key: string): number => (/ip_forward$|\/forwarding$/.test(key) ? 0 : 1);

function changedAlong(fix: SysctlFix, facts: HostFacts): readonly string[] {
	const patterns = (fix.alsoChanges ?? []).map((pattern) => {
		const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace("*", "[^/]+");
		return new RegExp(`^${escaped}$`);
	});
	return [...facts.sysctls.keys()].filter((key) => key !== fix.key && patterns.some((pattern) => pattern.test(key)));
}

const currentOf = (facts: HostFacts, key: string): string => facts.sysctls.get(key) ?? "";

/** Files that are applied after ours, and would take a value back when the machine starts. */
function overridden(file: SysctlFile, facts: HostFacts): readonly string[] {
	const remarks: string[] = [];
	for (const { key, value } of file.values) {
		const last = facts.sysctlFiles.findLast((line) => line.key === key);
		if (!last || last.value === value || isBefore(last.file)) continue;
		remarks.push(
			`${last.file} sets ${dotted(key)} to ${last.value} after us when the machine starts: take the line out there`,
		);
	}
	return remarks;
}

/** By name, whatever the directory; sysctl.conf comes last. */
function isBefore(path: string): boolean {
	const name = path.slice(path.lastIndexOf("/") + 1);
	const own = sysctlFilePath.slice(sysctlFilePath.lastIndexOf("/") + 1);
	return name !== "sysctl.conf" && name <= own;
}
