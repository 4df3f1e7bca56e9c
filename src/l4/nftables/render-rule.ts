// One rule as `nft` writes it (nft(8)). In: statements. Out: text. Never called for what travels to the kernel: that goes by netlink.

import type { NftFamily, NftRule, NftSelector, NftStatement, NftVerdict } from "./ruleset.ts";

/** The family is that of the rule's table: translation names it, and not every key tells it. */
export function renderRule({ statements, comment }: NftRule, family: NftFamily): string {
	const text = statements.map((statement) => renderStatement(statement, family)).join(" ");
	// The kernel keeps 128 bytes of a comment.
	return comment === undefined ? text : `${text} comment "${comment.replaceAll('"', "'").slice(0, 120)}"`;
}

export function renderVerdict(verdict: NftVerdict): string {
	return verdict.type === "goto" || verdict.type === "jump" ? `${verdict.type} ${verdict.chain}` : verdict.type;
}

function renderStatement(statement: NftStatement, family: NftFamily): string {
	switch (statement.type) {
		case "match": {
			const quoted = statement.left === "meta iifname" ? `"${statement.value}"` : String(statement.value);
			return `${renderSelector(statement.left)} ${statement.not ? "!= " : ""}${quoted}`;
		}
		case "in":
			return `${renderKey(statement.key)} ${statement.not ? "!= " : ""}@${statement.set}`;
		case "ctState":
			return `ct state ${statement.states.join(",")}`;
		case "ctStatusDnat":
			return "ct status dnat";
		case "tcpFlags":
			return `tcp flags ! ${statement.none.join(",")}`;
		case "markBit":
			return `meta mark & ${hex(statement.mask)} ${statement.not ? "==" : "!="} 0x00000000`;
		case "setMarkBit":
			return statement.clear
				? `meta mark set meta mark & ${hex(~statement.mask >>> 0)}`
				: `meta mark set meta mark | ${hex(statement.mask)}`;
		case "vmap":
			return `${renderKey(statement.key)} vmap @${statement.map}`;
		case "dnatMap":
			return `${renderProtocols(statement.protocol)} dnat ${family === "ip6" ? "ip6" : "ip"} to ${renderKey(statement.key)} map @${statement.map}`;
		case "snatMap":
			return `snat ${family === "ip6" ? "ip6" : "ip"} to ${renderKey(statement.key)} map @${statement.map}`;
		case "dnat": {
			const { address, port } = statement;
			const ip = address.includes(":") ? "ip6" : "ip";
			if (port === 0) return `dnat ${ip} to ${address}`;
			const to = ip === "ip6" ? `[${address}]:${port}` : `${address}:${port}`;
			return `${renderProtocols(statement.protocol)} dnat ${ip} to ${to}`;
		}
		case "update":
			return `update @${statement.set} { ${renderKey(statement.key)} }`;
		case "pick": {
			const verdicts = statement.verdicts.map((verdict, slot) => `${slot} : ${renderVerdict(verdict)}`);
			return `${renderSelector(statement.by)} vmap { ${verdicts.join(", ")} }`;
		}
		case "masquerade":
			return statement.fullyRandom ? "masquerade fully-random" : "masquerade";
		case "reject":
			return statement.with === "tcpReset" ? "reject with tcp reset" : "reject";
		case "counter":
			return "counter";
		case "verdict":
			return renderVerdict(statement.verdict);
		default:
			return statement satisfies never;
	}
}

function renderKey(key: readonly NftSelector[]): string {
	return key.map(renderSelector).join(" . ");
}

function renderSelector(selector: NftSelector): string {
	if (typeof selector === "string") return selector;
	const offset = selector.offset === undefined ? "" : ` offset ${selector.offset}`;
	return "numgen" in selector
		? `numgen ${selector.numgen} mod ${selector.mod}${offset}`
		: `jhash ${renderKey(selector.jhash)} mod ${selector.mod} seed 0x${selector.seed.toString(16)}${offset}`;
}

function renderProtocols(protocols: readonly string[]): string {
	return protocols.length === 1 ? `meta l4proto ${protocols[0]}` : `meta l4proto { ${protocols.join(", ")} }`;
}

function hex(mask: number): string {
	return `0x${mask.toString(16).padStart(8, "0")}`;
}
