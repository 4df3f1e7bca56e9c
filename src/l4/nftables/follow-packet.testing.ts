// What becomes of the first packet of a connection under a table's rules. In: contents of a table, a packet. Out: every outcome that
// chance or a hash may choose. Reads rules only; knows nothing of balancers.

import type { NftSelector, NftStatement, NftTableContents, NftTcpFlag, NftValue, NftVerdict } from "./ruleset.ts";

export interface Packet {
	readonly hook: "prerouting" | "output";
	readonly interface: string;
	readonly source: string;
	readonly destination: string;
	readonly protocol: "tcp" | "udp" | "sctp";
	readonly sourcePort: number;
	readonly port: number;
	readonly mark: number;
	/** Of TCP; the first packet of a connection has `syn` alone, which is the default. */
	readonly flags?: readonly NftTcpFlag[];
	/** Conntrack knows its connection otherwise: nothing translates it. */
	readonly invalid?: boolean;
}

interface Passing {
	readonly table: NftTableContents;
	readonly packet: Packet;
	source: string;
	sourcePort: number;
	destination: string;
	port: number;
	mark: number;
	readonly draw: (mod: number) => number;
}

type Verdict = "accept" | "drop" | "reject" | "dnat" | "snat" | "masquerade" | "return" | "continue";

/** `pass`, `drop`, `reject`, `ADDRESS PORT` with ` masqueraded`, or `from ADDRESS PORT`; sorted, each once. */
export function followPacket(table: NftTableContents, packet: Packet): readonly string[] {
	const outcomes = new Set<string>();
	let mod = 1;
	for (let drawn = 0; drawn < mod; drawn++)
		outcomes.add(
			follow(table, packet, (among) => {
				mod = Math.max(mod, among);
				return drawn;
			}),
		);
	return [...outcomes].sort();
}

function follow(table: NftTableContents, packet: Packet, draw: (mod: number) => number): string {
	const { source, sourcePort, destination, port, mark } = packet;
	const passing: Passing = { table, packet, source, sourcePort, destination, port, mark, draw };
	if (packet.invalid)
		return table.chains.some(({ chain }) => chain.name === "strays") && runChain(passing, "strays") === "drop"
			? "drop"
			: "pass";
	const verdict = runChain(passing, packet.hook);
	if (verdict === "drop" || verdict === "reject") return verdict;
	const goesOn = table.chains.some(({ chain }) => chain.name === "go-on") ? runChain(passing, "go-on") : "continue";
	if (goesOn === "drop") return "drop";
	if (goesOn === "snat") return `from ${passing.source} ${passing.sourcePort}`;
	const masqueraded = runChain(passing, "postrouting", verdict === "dnat") === "masquerade";
	if (passing.mark !== mark && !masqueraded) return `mark ${passing.mark} stays`;
	const where = verdict === "dnat" ? `${passing.destination} ${passing.port}` : "pass";
	return masqueraded ? `${where} masqueraded` : where;
}

function runChain(passing: Passing, name: string, isDnat = false): Verdict {
	const chain = passing.table.chains.find((each) => each.chain.name === name);
	if (chain === undefined) throw new Error(`no chain ${name}`);
	for (const { statements } of chain.rules) {
		const verdict = runRule(passing, statements, isDnat);
		if (verdict === "return") return "continue";
		if (verdict !== "continue") return verdict;
	}
	return "continue";
}

function runRule(passing: Passing, statements: readonly NftStatement[], isDnat: boolean): Verdict {
	for (const statement of statements) {
		const verdict = runStatement(passing, statement, isDnat);
		if (verdict === "no match") return "continue";
		if (verdict !== "continue") return verdict;
	}
	return "continue";
}

function runStatement(passing: Passing, statement: NftStatement, isDnat: boolean): Verdict | "no match" {
	const holds = (condition: boolean): Verdict | "no match" => (condition ? "continue" : "no match");
	switch (statement.type) {
		case "match": {
			const value = fieldOf(passing, statement.left);
			const wanted = statement.value;
			const matches =
				typeof wanted === "string" && wanted.endsWith("*")
					? String(value).startsWith(wanted.slice(0, -1))
					: value === wanted;
			return holds(matches !== (statement.not ?? false));
		}
		case "in":
			return holds((lookUp(passing, statement.set, statement.key) !== undefined) !== (statement.not ?? false));
		case "ctState":
			return holds(statement.states.includes(passing.packet.invalid ? "invalid" : "new"));
		case "ctStatusDnat":
			return holds(isDnat);
		case "markBit":
			return holds(hasBit(passing.mark, statement.mask) !== (statement.not ?? false));
		case "setMarkBit":
			if (hasBit(passing.mark, statement.mask) === (statement.clear ?? false))
				passing.mark += statement.clear ? -statement.mask : statement.mask;
			return "continue";
		case "vmap": {
			const found = lookUp(passing, statement.map, statement.key);
			if (found === undefined) return "no match";
			if (found.data === undefined || !("type" in found.data)) throw new Error("no verdict");
			return runVerdict(passing, found.data);
		}
		case "dnatMap": {
			const data = lookUp(passing, statement.map, statement.key)?.data;
			if (data === undefined || "type" in data) throw new Error(`no endpoint for ${JSON.stringify(statement.key)}`);
			passing.destination = String(data[0]);
			passing.port = Number(data[1]);
			return "dnat";
		}
		case "snatMap": {
			const data = lookUp(passing, statement.map, statement.key)?.data;
			if (data === undefined) return "no match";
			if ("type" in data) throw new Error("a verdict instead of an address");
			passing.source = String(data[0]);
			passing.sourcePort = Number(data[1]);
			return "snat";
		}
		case "tcpFlags":
			return holds(
				passing.packet.protocol === "tcp" &&
					!statement.none.some((flag) => (passing.packet.flags ?? ["syn"]).includes(flag)),
			);
		case "dnat":
			if (statement.port !== 0 && !statement.protocol.includes(passing.packet.protocol)) return "no match";
			passing.destination = statement.address;
			if (statement.port !== 0) passing.port = statement.port;
			return "dnat";
		case "pick": {
			const verdict = statement.verdicts[Number(fieldOf(passing, statement.by))];
			return verdict === undefined ? "no match" : runVerdict(passing, verdict);
		}
		case "verdict":
			return runVerdict(passing, statement.verdict);
		case "masquerade":
			return "masquerade";
		case "reject":
			return "reject";
		default:
			return "continue";
	}
}

function runVerdict(passing: Passing, verdict: NftVerdict): Verdict {
	if (verdict.type === "jump") return runChain(passing, verdict.chain);
	// The end of a chain that was gone to is the end of the one that went.
	if (verdict.type === "goto") {
		const result = runChain(passing, verdict.chain);
		return result === "continue" ? "return" : result;
	}
	return verdict.type;
}

function lookUp({ table, ...passing }: Passing, name: string, key: readonly NftSelector[]) {
	const found = table.sets.find(({ set }) => set.name === name);
	if (found === undefined) throw new Error(`no set ${name}`);
	const values = key.map((selector) => fieldOf({ table, ...passing }, selector));
	return found.elements.find((element) => element.key.every((part, index) => covers(part, values[index] ?? "")));
}

function covers(part: NftValue, value: NftValue): boolean {
	if (typeof part === "number" || !part.includes("/")) return part === value;
	const [network = "", length = ""] = part.split("/");
	return bitsOf(network).slice(0, Number(length)) === bitsOf(String(value)).slice(0, Number(length));
}

function bitsOf(address: string): string {
	if (!address.includes(":"))
		return address
			.split(".")
			.map((part) => Number(part).toString(2).padStart(8, "0"))
			.join("");
	const [head = "", tail = ""] = address.split("::");
	const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
	const middle = new Array<string>(8 - groups(head).length - groups(tail).length).fill("0");
	return [...groups(head), ...middle, ...groups(tail)]
		.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0"))
		.join("");
}

function fieldOf(passing: Passing, selector: NftSelector): NftValue {
	switch (selector) {
		case "ip saddr":
		case "ip6 saddr":
			return passing.source;
		case "ip daddr":
		case "ip6 daddr":
			return passing.destination;
		case "meta l4proto":
			return passing.packet.protocol;
		case "th sport":
			return passing.sourcePort;
		case "th dport":
			return passing.port;
		case "meta mark":
			return passing.mark;
		case "meta iifname":
			return passing.packet.hook === "output" ? "" : passing.packet.interface;
		default:
			return (passing.draw(selector.mod) % selector.mod) + (selector.offset ?? 0);
	}
}

function hasBit(mark: number, mask: number): boolean {
	return Math.floor(mark / mask) % 2 === 1;
}
