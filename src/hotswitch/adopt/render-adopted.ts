// What takes a saved redirect out of the kernel, and what puts it back: texts for iptables-restore --noflush. Everything else in
// the tables stays. Each table is one transaction.

import type { RedirectTable } from "./find-redirect.ts";

/** Rules are named by what they say, not by number: a rule that someone adds meanwhile is not hit. */
export function renderRemoval(tables: readonly RedirectTable[]): string {
	return renderTables(tables, ({ chains, hooks }) => [
		...hooks.flatMap(({ istio, name, rules }) => istio.map((index) => `-D ${name} ${rules[index]}`)),
		...chains.map(({ name }) => `-F ${name}`),
		...chains.map(({ name }) => `-X ${name}`),
	]);
}

/** Each rule at the place where it stood. */
export function renderRestoration(tables: readonly RedirectTable[]): string {
	return renderTables(tables, ({ chains, hooks }) => [
		...chains.map(({ name }) => `:${name} - [0:0]`),
		...chains.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${rule}`)),
		...hooks.flatMap(({ istio, name, rules }) => istio.map((index) => `-I ${name} ${index + 1} ${rules[index]}`)),
	]);
}

function renderTables(tables: readonly RedirectTable[], linesOf: (table: RedirectTable) => readonly string[]): string {
	return tables.map((table) => [`*${table.name}`, ...linesOf(table), "COMMIT", ""].join("\n")).join("");
}
