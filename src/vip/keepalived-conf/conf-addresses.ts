// Lines of virtual_ipaddress and its kin: `192.168.1.10/24 brd - dev eth0 label eth0:1 no_track` in, VirtualAddress out.

import type { VirtualAddress } from "../vip-config.ts";
import { type BlockContext, error, warn } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";
import { addressWithPrefix, familyOf, maxInterfaceName } from "./conf-values.ts";

export interface ReadAddress extends VirtualAddress {
	readonly family: "ipv4" | "ipv6";
}

const scopes: Readonly<Record<string, VirtualAddress["scope"]>> = {
	global: "global",
	link: "link",
	host: "host",
	site: "site",
	"0": "global",
	"253": "link",
	"254": "host",
	"200": "site",
};

/** The kernel's INFINITY_LIFE_TIME. */
const foreverSec = 0xffffffff;

/** undefined after an error. */
export function readAddress(line: Statement, context: BlockContext): ReadAddress | undefined {
	const [text = "", ...options] = line.words;
	const parsed = addressWithPrefix(text);
	if (!parsed) {
		error(
			context,
			line,
			`${JSON.stringify(text)} is no address; keepalived leaves it out`,
			"write 192.168.1.10/24 or 2001:db8::10/64",
		);
		return undefined;
	}
	const draft: { -readonly [K in keyof ReadAddress]?: ReadAddress[K] } = {};
	for (let at = 0; at < options.length; at++) {
		const option = options[at] ?? "";
		const next = (): string | undefined => {
			at++;
			if (options[at] === undefined) error(context, line, `${option} has no value`, `write ${option} VALUE`);
			return options[at];
		};
		switch (option) {
			case "dev":
				draft.interface = interfaceName(next(), line, context);
				break;
			case "brd":
			case "broadcast":
				draft.broadcast = broadcastOf(next(), parsed.address, parsed.prefixLength, line, context);
				break;
			case "label":
				draft.label = next();
				break;
			case "scope": {
				const word = next();
				draft.scope = word === undefined ? undefined : scopes[word];
				if (word !== undefined && draft.scope === undefined)
					error(context, line, `there is no scope ${JSON.stringify(word)}`, "write global, site, link or host");
				break;
			}
			case "peer": {
				const word = next();
				if (word !== undefined && addressWithPrefix(word)?.family === parsed.family) draft.peer = word;
				else if (word !== undefined)
					error(context, line, `${JSON.stringify(word)} is no address of the other end`, "write peer ADDRESS");
				break;
			}
			case "no_track":
				draft.untracked = true;
				break;
			case "noprefixroute":
				draft.noPrefixRoute = true;
				break;
			case "preferred_lft": {
				const word = next();
				draft.preferredLifetimeSec = word === "forever" ? foreverSec : Number(word);
				break;
			}
			case "use_vmac":
				warn(
					context,
					line,
					"use_vmac of a single address is not supported: it is added without a virtual MAC of its own",
					"write use_vmac in the vrrp_instance, or take it out",
					"KM-unsupported",
				);
				break;
			case "home":
			case "-nodad":
			case "mngtmpaddr":
			case "autojoin":
				warn(
					context,
					line,
					`${option} is not supported: addresses of VRRP are added without it`,
					"take it out",
					"KM-unsupported",
				);
				break;
			case "track_group":
				next();
				warn(context, line, "track_group belongs to static addresses and is passed over here", "take it out");
				break;
			default:
				error(
					context,
					line,
					`${JSON.stringify(option)} is no option of an address; it is passed over`,
					"see keepalived.conf(5), virtual_ipaddress",
				);
		}
	}
	const { preferredLifetimeSec, ...rest } = draft;
	if (preferredLifetimeSec !== undefined && Number.isNaN(preferredLifetimeSec))
		error(context, line, "preferred_lft is neither forever nor seconds", "write preferred_lft forever");
	return {
		address: parsed.address,
		prefixLength: parsed.prefixLength,
		family: parsed.family,
		...withoutUndefined(rest),
		...(preferredLifetimeSec === undefined || Number.isNaN(preferredLifetimeSec) ? {} : { preferredLifetimeSec }),
	};
}

export function interfaceName(word: string | undefined, line: Statement, context: BlockContext): string | undefined {
	if (word === undefined || word.length <= maxInterfaceName) return word;
	error(
		context,
		line,
		`${JSON.stringify(word)} is too long for an interface: 15 characters at the most`,
		"correct the name",
	);
	return undefined;
}

/** `-`: host bits 0, `+`: host bits 1. */
function broadcastOf(
	word: string | undefined,
	address: string,
	prefixLength: number,
	line: Statement,
	context: BlockContext,
): string | undefined {
	if (word === undefined) return undefined;
	if (familyOf(address) === "ipv6") {
		error(context, line, "IPv6 has no broadcast address", "take brd out");
		return undefined;
	}
	if (familyOf(word) === "ipv4") return word;
	if (word !== "-" && word !== "+") {
		error(context, line, `${JSON.stringify(word)} is no broadcast address`, "write brd ADDRESS, brd + or brd -");
		return undefined;
	}
	const bits = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
	const size = 2 ** (32 - prefixLength);
	const base = Math.floor(bits / size) * size + (word === "+" ? size - 1 : 0);
	return [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".");
}

export function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
	return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as never;
}
