// Which routing rule speaks for a host: the one that names it, else the one with the longest wildcard that covers it.

import type { RoutingRule } from "../../model/view.ts";

export class RuleIndex {
	readonly #exact = new Map<string, RoutingRule>();
	/** Longest first. */
	readonly #wildcards: readonly { readonly suffix: string; readonly rule: RoutingRule }[];

	constructor(rules: readonly RoutingRule[]) {
		const wildcards: { suffix: string; rule: RoutingRule }[] = [];
		for (const rule of rules) {
			for (const host of rule.hosts) {
				if (host.startsWith("*")) wildcards.push({ suffix: host.slice(1), rule });
				else if (!this.#exact.has(host)) this.#exact.set(host, rule);
			}
		}
		this.#wildcards = wildcards.sort((a, b) => b.suffix.length - a.suffix.length);
	}

	ruleFor(hostname: string): RoutingRule | undefined {
		const exact = this.#exact.get(hostname);
		if (exact !== undefined) return exact;
		const name = hostname.startsWith("*") ? hostname.slice(1) : hostname;
		return this.#wildcards.find(({ suffix }) => name.endsWith(suffix))?.rule;
	}
}
