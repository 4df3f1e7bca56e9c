// Reads what iptables-save prints, with or without -c. In: its text. Out: tables, their chains, and the rules in order.
// Counters, policies and comments are left out: two texts with the same tables mean the same rules.

export interface RuleChain {
	readonly name: string;
	/** Each as iptables-save prints it behind `-A CHAIN `. */
	readonly rules: readonly string[];
}

export interface RuleTable {
	/** `nat`, `mangle`, `raw`, ... */
	readonly name: string;
	readonly chains: readonly RuleChain[];
}

export function parseRuleTables(text: string): readonly RuleTable[] {
	const tables: { name: string; chains: { name: string; rules: string[] }[] }[] = [];
	for (const line of text.split("\n")) {
		const table = /^\*(\S+)/.exec(line)?.[1];
		if (table !== undefined) tables.push({ name: table, chains: [] });
		const chains = tables.at(-1)?.chains;
		const chain = /^:(\S+)/.exec(line)?.[1];
		if (chain !== undefined) chains?.push({ name: chain, rules: [] });
		const [, appendTo, rule] = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line) ?? [];
		if (appendTo !== undefined && rule !== undefined)
			chains?.find(({ name }) => name === appendTo)?.rules.push(rule.trimEnd());
	}
	return tables;
}

/** The words of a rule; a quoted comment is one word. */
export const ruleWords = (rule: string): readonly string[] => rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];

/** What stands behind an option: `-j` gives the target. */
export function optionOf(rule: string, ...names: readonly string[]): string | undefined {
	const words = ruleWords(rule);
	const index = words.findIndex((word) => names.includes(word));
	return index < 0 ? undefined : words[index + 1];
}
