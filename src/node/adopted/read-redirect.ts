// What a pod's kernel has of Istio's redirect at this moment: rules of both backends and families, and policy routes.

import {
	type AdoptedPart,
	type AdoptedRedirect,
	type AdoptedRouting,
	routingRulesOf,
	tableOfRule,
} from "../../hotswitch/adopt/adopted-redirect.ts";
import { findRedirect, redirectMark } from "../../hotswitch/adopt/find-redirect.ts";
import { newTables, tableState } from "../../hotswitch/adopt/redirect-state.ts";
import { parseRuleTables, type RuleTable } from "../../hotswitch/adopt/rule-tables.ts";
import {
	type IptablesFailure,
	type PodRouting,
	type RuleSource,
	readPodRoutes,
	readPodRouting,
	readPodRules,
} from "../../kernel/pod-iptables.ts";

export interface RulesNow extends RuleSource {
	readonly tables: readonly RuleTable[];
}

export async function readRulesNow(
	netns: string,
): Promise<{ readonly ok: true; readonly now: readonly RulesNow[] } | IptablesFailure> {
	const read = await readPodRules(netns);
	if (!read.ok) return read;
	return { ok: true, now: read.rules.map(({ text, ...source }) => ({ ...source, tables: parseRuleTables(text) })) };
}

export function redirectParts(now: readonly RulesNow[]): readonly AdoptedPart[] {
	return now
		.map(({ tables, ...source }) => ({ ...source, tables: findRedirect(tables) }))
		.filter(({ tables }) => tables.length > 0);
}

/** The policy routes that serve the marks of these parts. */
export async function readRedirectRouting(
	netns: string,
	parts: readonly AdoptedPart[],
): Promise<readonly AdoptedRouting[]> {
	const routing = await readPodRouting(netns);
	const found = await Promise.all(routing.map((family) => routingOf(netns, parts, family)));
	return found.filter(({ rules }) => rules.length > 0);
}

async function routingOf(
	netns: string,
	parts: readonly AdoptedPart[],
	{ family, rules: all }: PodRouting,
): Promise<AdoptedRouting> {
	const marks = new Set(
		parts.filter((part) => part.family === family).flatMap(({ tables }) => redirectMark(tables) ?? []),
	);
	const rules = [...marks].flatMap((mark) => routingRulesOf(mark, all));
	const tables = [...new Set(rules.flatMap((rule) => tableOfRule(rule) ?? []))];
	const routes = await Promise.all(
		tables.map(async (table) => (await readPodRoutes(netns, family, table)).map((route) => `${route} table ${table}`)),
	);
	return { family, rules, routes: routes.flat() };
}

export interface RedirectState {
	/** `partly`: some tables have it and some do not, as after a crash in between. */
	readonly state: "present" | "removed" | "partly" | "changed";
	/** What another program changed. */
	readonly differences: readonly string[];
	/** Some tables are as they are without it. */
	readonly isTakenOff: boolean;
	/** By part: the names of its tables that have the redirect now. */
	readonly present: ReadonlyMap<AdoptedPart, ReadonlySet<string>>;
}

export function compareRedirect(record: AdoptedRedirect, now: readonly RulesNow[]): RedirectState {
	const differences: string[] = [];
	const present = new Map<AdoptedPart, ReadonlySet<string>>();
	let removed = 0;
	let there = 0;
	for (const part of record.parts) {
		const tables = now.find((source) => isSame(source, part))?.tables ?? [];
		const names = new Set<string>();
		for (const table of part.tables) {
			const compared = tableState(table, tables);
			if (compared.state === "present") names.add(table.name);
			if (compared.state === "changed") differences.push(`${sourceName(part)}: ${compared.difference}`);
			if (compared.state === "removed") removed++;
		}
		there += names.size;
		present.set(part, names);
	}
	for (const source of now) {
		const part = record.parts.find((known) => isSame(source, known));
		for (const table of newTables(part?.tables ?? [], source.tables))
			differences.push(`${sourceName(source)}: ${table} has a redirect that was not there`);
	}
	const settled = removed === 0 ? "present" : there === 0 ? "removed" : "partly";
	return { state: differences.length > 0 ? "changed" : settled, differences, isTakenOff: removed > 0, present };
}

const isSame = (one: RuleSource, other: RuleSource): boolean =>
	one.backend === other.backend && one.family === other.family;

/** `IPv4 (nft)` */
export const sourceName = ({ backend, family }: RuleSource): string => `IPv${family} (${backend})`;
