// Tables and changes as text for people and for `nft -f`. In: contents, changes. Out: what `nft list` would print for the one, a script
// that does the other in one transaction.

import type { NftTableChange } from "./change.ts";
import { renderRule, renderVerdict } from "./render-rule.ts";
import type { NftChain, NftElement, NftFamily, NftSet, NftTableContents, NftType } from "./ruleset.ts";

/** Chains, sets and elements in the order of their names, so that equal contents are equal texts. */
export function renderTables(tables: readonly NftTableContents[]): string {
	return tables.map(renderTable).join("\n");
}

/**
 * One command a line. nft 1.0.6 takes what builds tables; of later changes it cannot check rules that name a map of endpoints which it
 * reads back ("conflicting protocols specified"): those go by netlink.
 */
export function renderChanges(changes: readonly NftTableChange[]): string {
	return changes.map((change) => `${renderChange(change)}\n`).join("");
}

export function renderElement({ key, data }: NftElement): string {
	const text = key.map(String).join(" . ");
	if (data === undefined) return text;
	return "type" in data ? `${text} : ${renderVerdict(data)}` : `${text} : ${data.map(String).join(" . ")}`;
}

function renderTable({ table, sets, chains }: NftTableContents): string {
	const blocks = [
		...sets
			.toSorted((a, b) => inOrder(a.set.name, b.set.name))
			.map(({ set, elements }) =>
				block(`${kindOf(set)} ${set.name}`, [
					...setLines(set, table.family),
					...elementLines(elements.toSorted(byKey).map(renderElement)),
				]),
			),
		...chains
			.toSorted((a, b) => inOrder(a.chain.name, b.chain.name))
			.map(({ chain, rules }) =>
				block(`chain ${chain.name}`, [...hookLines(chain), ...rules.map((rule) => renderRule(rule, table.family))]),
			),
	];
	return `table ${table.family} ${table.name} {\n${blocks.join("\n")}}\n`;
}

function renderChange({ table, change }: NftTableChange): string {
	const at = `${table.family} ${table.name}`;
	switch (change.type) {
		case "addTable":
			return `add table ${at}`;
		case "deleteTable":
			return `delete table ${at}`;
		case "addSet":
			return `add ${kindOf(change.set)} ${at} ${change.set.name} { ${setLines(change.set, table.family).join("; ")}; }`;
		case "deleteSet":
			// One command deletes both kinds.
			return `delete set ${at} ${change.set}`;
		case "addChain":
			return `add chain ${at} ${change.chain.name}${change.chain.hook ? ` { ${hookLines(change.chain).join(" ")} }` : ""}`;
		case "flushChain":
			return `flush chain ${at} ${change.chain}`;
		case "deleteChain":
			return `delete chain ${at} ${change.chain}`;
		case "addRule":
			return `add rule ${at} ${change.chain} ${renderRule(change.rule, table.family)}`;
		case "addElements":
			return `add element ${at} ${change.set.name} { ${change.elements.map(renderElement).join(", ")} }`;
		case "deleteElements":
			return `delete element ${at} ${change.set.name} { ${change.elements.map(renderElement).join(", ")} }`;
		default:
			return change satisfies never;
	}
}

function kindOf(set: NftSet): string {
	return set.data === undefined ? "set" : "map";
}

function setLines(set: NftSet, family: NftFamily): string[] {
	const key = set.key.map((type) => typeText(type, set, family)).join(" . ");
	const data =
		set.data === undefined
			? ""
			: set.data === "verdict"
				? " : verdict"
				: ` : ${set.data.map((type) => typeText(type, set, family)).join(" . ")}`;
	const { dynamic } = set;
	return [
		`${usesTypeof(set) ? "typeof" : "type"} ${key}${data}`,
		...(dynamic?.size === undefined ? [] : [`size ${dynamic.size}`]),
		...(dynamic ? ["flags dynamic,timeout", `timeout ${dynamic.timeoutSec}s`] : []),
		...(set.interval ? ["flags interval"] : []),
	];
}

/** A slot has no name among nft's types: such a map is described by what fills it. */
function usesTypeof(set: NftSet): boolean {
	return set.key.includes("slot");
}

function typeText(type: NftType, set: NftSet, family: NftFamily): string {
	if (!usesTypeof(set)) return type;
	const ip = family === "ip6" ? "ip6" : "ip";
	const words: Record<NftType, string> = {
		ipv4_addr: `${ip} daddr`,
		ipv6_addr: `${ip} daddr`,
		inet_proto: "meta l4proto",
		inet_service: "th dport",
		mark: "meta mark",
		slot: "numgen random mod 2",
		ifname: "meta iifname",
	};
	return words[type];
}

function elementLines(elements: readonly string[]): string[] {
	if (elements.length === 0) return [];
	return [`elements = { ${elements.join(",\n\t\t\t     ")} }`];
}

function hookLines({ hook }: NftChain): string[] {
	return hook ? [`type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy accept;`] : [];
}

function block(head: string, lines: readonly string[]): string {
	return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

/** Numbers as numbers: slot 2 comes before slot 10. */
function byKey(a: NftElement, b: NftElement): number {
	for (const [index, part] of a.key.entries()) {
		const other = b.key[index] ?? "";
		const order =
			typeof part === "number" && typeof other === "number" ? part - other : inOrder(String(part), String(other));
		if (order !== 0) return order;
	}
	return 0;
}

function inOrder(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
