// A rule as a message. In: a rule, the ids of sets that its statements bring along. Out: the attributes of NEWRULE.

import type { NftFamily, NftRule, NftSelector, NftStatement } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { writeFamilyMatch } from "./match-expressions.ts";
import { writeStatement } from "./statement-expressions.ts";
import { field } from "./type-description.ts";

export interface RuleOrder {
	readonly family: NftFamily;
	readonly table: string;
	readonly chain: string;
	readonly rule: NftRule;
	readonly setIds: ReadonlyMap<NftStatement, number>;
}

/** The kernel keeps comments up to 128 bytes, with the zero byte. */
const mostCommentBytes = 127;

export function writeRule(writer: BatchWriter, { family, table, chain, rule, setIds }: RuleOrder): void {
	writer.name(nft.NFTA_RULE_TABLE, table);
	writer.name(nft.NFTA_RULE_CHAIN, chain);
	const expressions = writer.open(nft.NFTA_RULE_EXPRESSIONS);
	const addressFamily = family === "inet" ? addressFamilyOf(rule) : undefined;
	if (addressFamily) writeFamilyMatch(writer, addressFamily);
	let onlyTcp = false;
	for (const statement of rule.statements) {
		writeStatement(writer, statement, { family, setId: setIds.get(statement), onlyTcp });
		if (statement.type === "match" && statement.left === "meta l4proto" && !statement.not)
			onlyTcp = statement.value === "tcp" || statement.value === 6;
	}
	writer.close(expressions);
	if (rule.comment) writer.bytes(nft.NFTA_RULE_USERDATA, field(0, Buffer.from(`${commentText(rule.comment)}\0`)));
}

/** As much as the kernel keeps, without what `nft` could not read again. */
function commentText(comment: string): string {
	let text = comment.replaceAll('"', "'");
	while (Buffer.byteLength(text) > mostCommentBytes) text = text.slice(0, -1);
	return text;
}

/** The family whose addresses a rule reads. */
function addressFamilyOf(rule: NftRule): "ip" | "ip6" | undefined {
	for (const statement of rule.statements)
		for (const selector of selectorsOf(statement)) {
			const parts = typeof selector === "object" && "jhash" in selector ? selector.jhash : [selector];
			for (const part of parts) {
				if (part === "ip saddr" || part === "ip daddr") return "ip";
				if (part === "ip6 saddr" || part === "ip6 daddr") return "ip6";
			}
		}
	return undefined;
}

function selectorsOf(statement: NftStatement): readonly NftSelector[] {
	if ("key" in statement) return statement.key;
	if (statement.type === "match") return [statement.left];
	return statement.type === "pick" ? [statement.by] : [];
}
