// The kernel follows every path from the chains that packets enter by: none may come back to itself or go too deep, and some
// statements are allowed only in some hooks. In: a table. Out: the kernel's error number, 0 when all is well.

import type { NftChain, NftStatement } from "../../l4/nftables/ruleset.ts";
import { ELOOP, EMLINK, EOPNOTSUPP } from "../linux/abi/errno.ts";
import { setOf, targetsOf, verdictTarget } from "./nftables-references.ts";
import type { TableState } from "./nftables-state.ts";

/** NFT_JUMP_STACK_SIZE. */
const deepest = 16;

export function refusedPaths(state: TableState): number {
	for (const { chain } of state.chains.values()) {
		if (!chain.hook) continue;
		const refusal = follow(state, chain, chain.name, []);
		if (refusal !== 0) return refusal;
	}
	return 0;
}

function follow(state: TableState, base: NftChain, name: string, path: readonly string[]): number {
	if (path.includes(name)) return ELOOP;
	if (path.length >= deepest) return EMLINK;
	const here = [...path, name];
	for (const { statements } of state.chains.get(name)?.rules ?? [])
		for (const statement of statements) {
			if (!allowedIn(base, statement)) return EOPNOTSUPP;
			for (const target of new Set(targets(state, statement))) {
				const refusal = follow(state, base, target, here);
				if (refusal !== 0) return refusal;
			}
		}
	return 0;
}

function targets(state: TableState, statement: NftStatement): readonly string[] {
	if (statement.type !== "vmap") return targetsOf(statement);
	const elements = state.sets.get(setOf(statement) ?? "")?.elements.elements() ?? [];
	return elements.flatMap(({ data }) => verdictTarget(data) ?? []);
}

function allowedIn({ hook }: NftChain, statement: NftStatement): boolean {
	switch (statement.type) {
		case "dnat":
		case "dnatMap":
			return hook?.type === "nat" && (hook.hook === "prerouting" || hook.hook === "output");
		case "snatMap":
			return hook?.type === "nat" && (hook.hook === "postrouting" || hook.hook === "input");
		case "masquerade":
			return hook?.type === "nat" && hook.hook === "postrouting";
		case "reject":
			return hook?.hook !== "postrouting";
		default:
			return true;
	}
}
