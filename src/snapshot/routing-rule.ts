// A prepared VirtualService -> the rule that one view shows: only what concerns its gateway, its namespace and the client's
// labels, and with these conditions taken away because they are met.

import type { RoutingRule } from "../model/view.ts";
import type { HttpRoute, TcpRoute, TlsRoute } from "../resources/kinds/networking.ts";
import { selects } from "./label-selector.ts";
import type { PreparedVirtualService } from "./virtual-service-index.ts";

type Labels = Readonly<Record<string, string>>;

/** Who asks: `gateway` is `mesh` or `namespace/name`. */
export interface RuleReader {
	readonly gateway: string;
	readonly namespace: string;
	readonly labels: Labels;
}

interface SourceMatch {
	readonly gateways?: readonly string[];
	readonly sourceLabels?: Labels;
	readonly sourceNamespace?: string;
}

/** Equal questions give the same object, whichever snapshot or namespace asks. */
const remembered = new WeakMap<PreparedVirtualService, Map<string, RoutingRule>>();

/** Undefined when nothing of it is left. */
export function ruleFor(
	prepared: PreparedVirtualService,
	hosts: readonly string[],
	reader: RuleReader,
): RoutingRule | undefined {
	if (hosts.length === 0) return undefined;
	const outcome: string[] = [];
	const met = (match: SourceMatch): boolean => {
		const holds = matchHolds(match, prepared, reader);
		outcome.push(holds ? "1" : "0");
		return holds;
	};
	const http = prepared.http.map((route) => keepRoute(route, met));
	const tls = prepared.tls.map((route) => keepRoute(route, met));
	const tcp = prepared.tcp.map((route) => keepRoute(route, met));
	const question = `${hosts.join(",")}|${outcome.join("")}`;
	const rules = remembered.get(prepared) ?? new Map<string, RoutingRule>();
	remembered.set(prepared, rules);
	const known = rules.get(question);
	if (known !== undefined) return known;
	const rule: RoutingRule = {
		source: prepared.source,
		hosts,
		http: http.filter((route) => route !== undefined),
		tls: tls.filter((route) => route !== undefined),
		tcp: tcp.filter((route) => route !== undefined),
	};
	rules.set(question, rule);
	return rule;
}

/** Labels that its matches ask of clients. */
export function sourceSelectors(prepared: PreparedVirtualService): readonly Labels[] {
	const routes: readonly { readonly match?: readonly SourceMatch[] }[] = [
		...prepared.http,
		...prepared.tls,
		...prepared.tcp,
	];
	return routes.flatMap((route) =>
		(route.match ?? []).flatMap((match) => (match.sourceLabels === undefined ? [] : [match.sourceLabels])),
	);
}

function matchHolds(match: SourceMatch, prepared: PreparedVirtualService, reader: RuleReader): boolean {
	const gateways = match.gateways !== undefined && match.gateways.length > 0 ? match.gateways : prepared.gateways;
	if (!gateways.includes(reader.gateway)) return false;
	if (match.sourceNamespace && match.sourceNamespace !== reader.namespace) return false;
	return match.sourceLabels === undefined || selects(match.sourceLabels, reader.labels);
}

/** A route whose every match fails is gone; one without matches stays. */
function keepRoute<R extends HttpRoute | TlsRoute | TcpRoute>(
	route: R,
	met: (match: SourceMatch) => boolean,
): R | undefined {
	const matches: readonly SourceMatch[] | undefined = route.match;
	if (matches === undefined || matches.length === 0) return route;
	const kept = matches.filter(met);
	if (kept.length === 0) return undefined;
	if (kept.length === matches.length && !kept.some(hasSourceFields)) return route;
	return { ...route, match: kept.map(withoutSource) };
}

function hasSourceFields(match: SourceMatch): boolean {
	return match.gateways !== undefined || match.sourceLabels !== undefined || match.sourceNamespace !== undefined;
}

function withoutSource(match: SourceMatch): SourceMatch {
	const { gateways: _gateways, sourceLabels: _labels, sourceNamespace: _namespace, ...rest } = match;
	return rest;
}
