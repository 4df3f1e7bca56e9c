// Compares what was saved of a redirect with what the kernel has now. In: both. Out: per table there, removed, or changed by
// someone else, with the first difference in words.

import { findRedirect, isIstioChain, type RedirectTable } from "./find-redirect.ts";
import type { RuleTable } from "./rule-tables.ts";

export type TableState =
	| { readonly state: "present" }
	| { readonly state: "removed" }
	| { readonly state: "changed"; readonly difference: string };

/** Other chains and tables may change as their owners like. */
export function tableState(saved: RedirectTable, now: readonly RuleTable[]): TableState {
	const current = now.find(({ name }) => name === saved.name) ?? { name: saved.name, chains: [] };
	const rulesOf = (chain: string): readonly string[] => current.chains.find(({ name }) => name === chain)?.rules ?? [];
	const own = current.chains.filter(({ name }) => isIstioChain(name));
	if (own.length > 0 || saved.chains.length === 0) {
		const difference = presentDifference(saved, own, rulesOf);
		if (difference === undefined) return { state: "present" };
		if (own.length > 0) return { state: "changed", difference };
	}
	for (const hook of saved.hooks) {
		const difference = firstDifference(saved.name, hook.name, withoutIstio(hook), rulesOf(hook.name));
		if (difference !== undefined) return { state: "changed", difference };
	}
	return { state: "removed" };
}

/** Tables that have a redirect now and had none when it was saved. */
export function newTables(saved: readonly RedirectTable[], now: readonly RuleTable[]): readonly string[] {
	const known = new Set(saved.map(({ name }) => name));
	return findRedirect(now).flatMap(({ name }) => (known.has(name) ? [] : [name]));
}

function presentDifference(
	saved: RedirectTable,
	own: RuleTable["chains"],
	rulesOf: (chain: string) => readonly string[],
): string | undefined {
	const names = new Set([...saved.chains, ...own].map(({ name }) => name));
	for (const name of names) {
		const before = saved.chains.find((chain) => chain.name === name);
		const after = own.find((chain) => chain.name === name);
		if (!before) return `${saved.name} has a new chain ${name}`;
		if (!after) return `${saved.name} has lost its chain ${name}`;
		const difference = firstDifference(saved.name, name, before.rules, after.rules);
		if (difference !== undefined) return difference;
	}
	for (const hook of saved.hooks) {
		const difference = firstDifference(saved.name, hook.name, hook.rules, rulesOf(hook.name));
		if (difference !== undefined) return difference;
	}
	return undefined;
}

const withoutIstio = (hook: RedirectTable["hooks"][number]): readonly string[] =>
	hook.rules.filter((_, index) => !hook.istio.includes(index));

function firstDifference(
	table: string,
	chain: string,
	before: readonly string[],
	after: readonly string[],
): string | undefined {
	const length = Math.max(before.length, after.length);
	for (let index = 0; index < length; index++) {
		if (before[index] === after[index]) continue;
		const said = (rule: string | undefined): string => (rule === undefined ? "nothing" : `"${rule}"`);
		return `${table} ${chain}, rule ${index + 1}: expected ${said(before[index])}, found ${said(after[index])}`;
	}
	return undefined;
}
