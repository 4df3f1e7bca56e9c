// Lines of virtual_routes and virtual_rules, in the words of `ip route` and `ip rule`: VirtualRoute and VirtualRule out.

import type { VirtualRoute, VirtualRule } from "../vip-config.ts";
import { type BlockContext, error, warn } from "./block-reader.ts";
import { interfaceName, withoutUndefined } from "./conf-addresses.ts";
import type { Statement } from "./conf-tree.ts";
import { addressWithPrefix } from "./conf-values.ts";

type Draft<T> = { -readonly [K in keyof T]?: T[K] };

const tables: Readonly<Record<string, number>> = { main: 254, local: 255, default: 253 };
const types = ["unicast", "blackhole", "unreachable", "prohibit"] as const;
const scopes = ["global", "link", "host", "site"] as const;
/** Options of `ip route` with one value that Keepmesh does not set. */
const otherWithValue = new Set(
	"tos dsfield proto protocol mtu hoplimit advmss rtt rttvar reordering window cwnd ssthresh realms realm rto_min initcwnd initrwnd quickack features congctl encap track_group weight preferred_lft fastopen_no_cookie ttl-propagate".split(
		" ",
	),
);
const otherFlags = new Set(["append", "lock", "pervasive"]);

/** Options read from left to right. */
class Options {
	private at = 0;
	private readonly words: readonly string[];
	private readonly line: Statement;
	private readonly context: BlockContext;

	constructor(line: Statement, context: BlockContext) {
		this.words = line.words;
		this.line = line;
		this.context = context;
	}

	next(): string | undefined {
		return this.words[this.at++];
	}

	/** The value of the option just read. */
	value(option: string): string | undefined {
		const word = this.next();
		if (word === undefined) error(this.context, this.line, `${option} has no value`, `write ${option} VALUE`);
		return word;
	}

	number(option: string, named: Readonly<Record<string, number>> = {}): number | undefined {
		const word = this.value(option);
		if (word === undefined) return undefined;
		const number = named[word] ?? (/^(?:\d+|0x[0-9a-fA-F]+)$/.test(word) ? Number(word) : undefined);
		if (number !== undefined && number <= 0xffffffff) return number;
		error(this.context, this.line, `${option} ${JSON.stringify(word)} is no number here`, `write ${option} NUMBER`);
		return undefined;
	}

	address(option: string): string | undefined {
		const word = this.value(option);
		if (word === undefined || word === "default" || word === "any" || addressWithPrefix(word)) return word;
		error(this.context, this.line, `${option} ${JSON.stringify(word)} is no address`, `write ${option} ADDRESS`);
		return undefined;
	}
}

/** undefined after an error. */
export function readRoute(line: Statement, context: BlockContext): VirtualRoute | undefined {
	const draft: Draft<VirtualRoute> = {};
	const options = new Options(line, context);
	for (let word = options.next(); word !== undefined; word = options.next()) {
		const type = types.find((known) => known === word);
		if (type) draft.type = type;
		else if (word === "src") draft.source = options.address(word);
		else if (word === "to") draft.destination = options.address(word);
		else if (word === "via" || word === "gw") {
			if (word === "gw") warn(context, line, '"gw" is an old word', "write via");
			let gateway = options.value(word);
			if (gateway === "inet" || gateway === "inet6") gateway = options.value(word);
			draft.gateway = gateway;
			if (gateway !== undefined && addressWithPrefix(gateway) === undefined)
				error(context, line, `${JSON.stringify(gateway)} is no gateway's address`, "write via ADDRESS");
		} else if (word === "or" || word === "nexthop") {
			if (word === "or") warn(context, line, '"or" is an old word', "write nexthop via ADDRESS nexthop via ADDRESS");
			warn(
				context,
				line,
				"routes over several gateways are not supported: the first is taken",
				"give one gateway",
				"KM-unsupported",
			);
			if (word === "or") options.address(word);
			else if (draft.gateway !== undefined) while (options.next() !== undefined);
		} else if (word === "dev" || word === "oif") draft.interface = interfaceName(options.value(word), line, context);
		else if (word === "table") draft.table = options.number(word, tables);
		else if (word === "metric" || word === "priority" || word === "preference") draft.metric = options.number(word);
		else if (word === "scope") {
			const scope = options.value(word);
			draft.scope = scopes.find((known) => known === scope);
			if (draft.scope === undefined && scope !== undefined)
				error(context, line, `there is no scope ${JSON.stringify(scope)}`, `write ${scopes.join(", ")}`);
		} else if (word === "onlink") draft.onlink = true;
		else if (word === "no_track") draft.untracked = true;
		else if (word === "inet") draft.family = "ipv4";
		else if (word === "inet6") draft.family = "ipv6";
		else if (otherWithValue.has(word) || otherFlags.has(word)) {
			if (otherWithValue.has(word)) options.value(word);
			warn(
				context,
				line,
				`${word} of a route is not supported: the route is added without it`,
				"take it out",
				"KM-unsupported",
			);
		} else if (draft.destination === undefined && (word === "default" || addressWithPrefix(word)))
			draft.destination = word;
		else
			error(context, line, `${JSON.stringify(word)} is no word of a route`, "see keepalived.conf(5), virtual_routes");
	}
	if (draft.destination === undefined) {
		error(
			context,
			line,
			"the route has no destination; keepalived leaves it out",
			"write 10.0.0.0/8 via ADDRESS dev INTERFACE",
		);
		return undefined;
	}
	const hasPlace =
		draft.gateway !== undefined ||
		draft.interface !== undefined ||
		(draft.type !== undefined && draft.type !== "unicast");
	if (!hasPlace) {
		error(context, line, "the route has neither gateway nor interface", "write via ADDRESS or dev INTERFACE");
		return undefined;
	}
	if (draft.interface === undefined && draft.untracked !== true)
		warn(
			context,
			line,
			"a route without dev is not watched: it is not put back when somebody removes it",
			"add dev INTERFACE, or no_track",
		);
	return { destination: draft.destination, ...withoutUndefined(draft) };
}

/** undefined after an error. */
export function readRule(line: Statement, context: BlockContext): VirtualRule | undefined {
	const draft: Draft<VirtualRule> = {};
	const options = new Options(line, context);
	for (let word = options.next(); word !== undefined; word = options.next()) {
		if (word === "from") draft.from = options.address(word);
		else if (word === "to") draft.to = options.address(word);
		else if (word === "table" || word === "lookup") draft.table = options.number(word, tables);
		else if (word === "preference" || word === "priority" || word === "order" || word === "pref")
			draft.preference = options.number(word);
		else if (word === "iif" || word === "dev")
			draft.incomingInterface = interfaceName(options.value(word), line, context);
		else if (word === "oif") draft.outgoingInterface = interfaceName(options.value(word), line, context);
		else if (word === "fwmark") draft.mark = options.number(word);
		else if (word === "inet6") draft.family = "ipv6";
		else if (word === "inet") draft.family = "ipv4";
		else if (word === "no_track") draft.untracked = true;
		else if (
			[
				"not",
				"l3mdev",
				"goto",
				"tos",
				"dsfield",
				"realms",
				"uidrange",
				"protocol",
				"ip_proto",
				"sport",
				"dport",
				"suppress_prefixlength",
				"track_group",
				"blackhole",
				"prohibit",
				"unreachable",
			].includes(word)
		) {
			if (!["not", "l3mdev", "blackhole", "prohibit", "unreachable"].includes(word)) options.value(word);
			warn(
				context,
				line,
				`${word} of a rule is not supported: the rule is left out`,
				"make the rule outside of keepalived.conf",
				"KM-unsupported",
			);
			return undefined;
		} else
			error(context, line, `${JSON.stringify(word)} is no word of a rule`, "see keepalived.conf(5), virtual_rules");
	}
	if (draft.table === undefined) {
		error(context, line, "the rule names no table", "write from ADDRESS table NUMBER");
		return undefined;
	}
	if (draft.preference === undefined)
		warn(
			context,
			line,
			"a rule without preference gets one by chance, and its place among others with it",
			"add preference NUMBER",
		);
	const named = [draft.from, draft.to].find((text) => text !== undefined && text !== "default" && text !== "any");
	return {
		family: draft.family ?? (named === undefined ? "ipv4" : (addressWithPrefix(named)?.family ?? "ipv4")),
		...withoutUndefined(draft),
	};
}
