// One thing that a machine should have, and what is said of it. In: facts. Out: a finding with a level, what is, what should be
// and why. Settings are data wherever they can be: a sysctl has an expectation, everything else a function of the facts.

import type { HostFacts } from "./host-facts.ts";

export const roles = ["control", "node", "vip", "l4"] as const;
export type Role = (typeof roles)[number];

/**
 * `must`: something does not work, or will not. `should`: it fails under a load or an event that will come. `note`: right for
 * some machines, and nobody but the operator knows. `unknown`: could not be found out.
 */
export type Level = "must" | "should" | "unknown" | "note" | "ok";
export const levels: readonly Level[] = ["must", "should", "unknown", "note", "ok"];

interface Described {
	/** What a table calls it; at most 28 characters. */
	readonly label: string;
	readonly roles: readonly Role[];
	/** The fault that one would see, in at most 60 characters. */
	readonly fault: string;
	/** Why in whole sentences, and where the values come from. */
	readonly detail: string;
}

/** A value below /proc/sys. */
export interface SysctlSetting extends Described {
	/** `net/ipv4/ip_forward`. */
	readonly key: string;
	/** What a value that is not as expected amounts to. */
	readonly level: "must" | "should" | "note";
	/** Undefined: the setting is of no matter on this machine. */
	readonly expect: (facts: HostFacts) => Expectation | undefined;
	/** What the change opens to others: a fix does it only where it is named. */
	readonly loosens?: string;
	/** What the change means for the machine, said aloud when a fix does it. */
	readonly means?: string;
	/** Other keys that the kernel changes along with this one, with `*` for a part: their values are recorded as well. */
	readonly alsoChanges?: readonly string[];
	/** The file is there only when a module is loaded; without it nothing is said. */
	readonly optional?: boolean;
}

export type Expectation =
	| { readonly type: "exactly"; readonly value: number }
	| { readonly type: "oneOf"; readonly values: readonly number[]; readonly best: number }
	| { readonly type: "atLeast"; readonly value: number }
	| { readonly type: "between"; readonly least: number; readonly most: number; readonly best: number }
	/** Two numbers, first and last port: the first at least this. */
	| { readonly type: "rangeFrom"; readonly first: number };

/** Anything else. */
export interface OtherSetting extends Described {
	/** `conflict.kube-proxy`. */
	readonly id: string;
	/** Undefined: of no matter on this machine. */
	readonly judge: (facts: HostFacts, role: ReadonlySet<Role>) => Judgement | undefined;
}

export interface Judgement {
	readonly level: Level;
	readonly is: string;
	readonly shouldBe: string;
	/** Instead of the setting's own fault. */
	readonly fault?: string;
	/** What to type or to do; a sysctl's is `--fix`. */
	readonly remedy?: string;
	/** The value that a fix writes; absent where no kernel setting would mend it. */
	readonly fix?: SysctlFix;
}

export type Setting = SysctlSetting | OtherSetting;

export interface Finding extends Judgement {
	/** `net.ipv4.ip_forward`, `conflict.kube-proxy`. */
	readonly id: string;
	readonly label: string;
	readonly roles: readonly Role[];
	readonly fault: string;
	readonly detail: string;
}

export interface SysctlFix {
	readonly key: string;
	readonly value: string;
	readonly loosens?: string;
	readonly means?: string;
	readonly alsoChanges?: readonly string[];
}
