// Shared chains that are there before anybody uses them. For each new rule the kernel goes over all verdicts of the table, a
// millisecond for a thousand; to lead a front to a chain that is there costs much less. In: chains in use, how many verdicts there
// are, how many of them come with this transaction. Out: chains to make ahead, chains to give up.

import type { NftChange } from "./change.ts";
import type { AnswerChain } from "./front-chains.ts";

/** Below that a new rule costs less than spare chains are worth. */
const manyVerdicts = 1000;
/** Spare chains go again below that. */
const fewVerdicts = 500;

export class SpareChains {
	readonly #names = new Set<string>();

	/** True: it is there, with its rules. */
	take(name: string): boolean {
		return this.#names.delete(name);
	}

	/** Whether a shared chain that nobody uses any more stays. */
	keeps(name: string, verdicts: number): boolean {
		if (verdicts < manyVerdicts) return false;
		this.#names.add(name);
		return true;
	}

	/** To be made before the elements: rules are cheap while the maps are empty. Only with a transaction that brings many of them. */
	missing(
		used: ReadonlyMap<string, { readonly neighbours: AnswerChain["neighbours"] }>,
		verdicts: number,
		coming: number,
	): readonly NftChange[] {
		if (verdicts < manyVerdicts || coming < manyVerdicts) return [];
		const chains: NftChange[] = [];
		for (const { neighbours } of used.values())
			for (const { name, rules } of neighbours?.() ?? []) {
				if (used.has(name) || this.#names.has(name)) continue;
				this.#names.add(name);
				chains.push({ type: "addChain", chain: { name } });
				for (const rule of rules()) chains.push({ type: "addRule", chain: name, rule });
			}
		return chains;
	}

	/** Those that are not worth keeping any more. */
	surplus(verdicts: number): readonly string[] {
		if (verdicts >= fewVerdicts) return [];
		const names = [...this.#names];
		this.#names.clear();
		return names;
	}
}
