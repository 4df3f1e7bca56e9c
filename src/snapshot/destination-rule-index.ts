// DestinationRules -> which one applies to a service for the clients of a namespace: the client's namespace is asked first,
// then the service's, then the root namespace; in each the most specific host wins. Rules of one host are merged.

import type { MeshSettings } from "../model/mesh-settings.ts";
import type { MeshService } from "../model/service.ts";
import type { DestinationPolicy } from "../model/view.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { byAge, keyOf } from "../resources/config-object.ts";
import type { Subset } from "../resources/kinds/networking.ts";
import type { BuildProblem } from "./build-problem.ts";
import { bySpecificity, fullHostname, hostWithin, isWildcard } from "./hostname.ts";
import { selects } from "./label-selector.ts";
import { sameItems, sameValue } from "./same-value.ts";
import { isVisibleTo, resolveExportTo } from "./visibility.ts";

type Labels = Readonly<Record<string, string>>;
type Rule = ConfigObject<"DestinationRule">;

/** Rules of one namespace and host that are merged because the same clients see them. */
export interface DestinationEntry {
	readonly rules: readonly Rule[];
	readonly exportTo: readonly string[];
	/** Set: only for clients of the same namespace with these labels. */
	readonly selector?: Labels;
	readonly policy: DestinationPolicy;
}

interface NamespaceRules {
	readonly byHost: ReadonlyMap<string, readonly DestinationEntry[]>;
	/** Wildcard hosts, the most specific first. */
	readonly wildcards: readonly string[];
	/** Selectors of its rules in a fixed order: what a client's labels must be asked. */
	readonly selectors: readonly Labels[];
}

export interface DestinationRuleIndex {
	readonly rootNamespace: string;
	readonly byNamespace: ReadonlyMap<string, NamespaceRules>;
	readonly problems: readonly BuildProblem[];
}

export const emptyDestinationRuleIndex: DestinationRuleIndex = {
	rootNamespace: "",
	byNamespace: new Map(),
	problems: [],
};

/** Policies whose rules did not change keep their identity from `previous`. */
export function indexDestinationRules(
	rules: Iterable<Rule>,
	mesh: Pick<MeshSettings, "domainSuffix" | "rootNamespace" | "destinationRuleExportTo">,
	previous: DestinationRuleIndex,
): DestinationRuleIndex {
	const drafts = new Map<string, Map<string, Draft[]>>();
	for (const rule of [...rules].sort(byAge)) {
		const { namespace } = rule.metadata;
		const host = fullHostname(rule.spec.host ?? "", namespace, mesh.domainSuffix);
		const exportTo = resolveExportTo(rule.spec.exportTo, mesh.destinationRuleExportTo, namespace);
		const selector = rule.spec.workloadSelector?.matchLabels;
		const hosts = emplace(drafts, namespace, () => new Map<string, Draft[]>());
		const list = emplace(hosts, host, () => []);
		const same = list.find((draft) => sameValue(draft.exportTo, exportTo) && sameValue(draft.selector, selector));
		if (same === undefined) list.push({ rules: [rule], exportTo, selector });
		else same.rules.push(rule);
	}
	const problems: BuildProblem[] = [];
	const byNamespace = new Map<string, NamespaceRules>();
	for (const [namespace, hosts] of drafts) {
		const byHost = new Map<string, readonly DestinationEntry[]>();
		for (const [host, list] of hosts) {
			const old = previous.byNamespace.get(namespace)?.byHost.get(host) ?? [];
			byHost.set(
				host,
				list.map((draft) => finish(draft, old, problems)),
			);
		}
		const wildcards = [...byHost.keys()].filter(isWildcard).sort(bySpecificity);
		const selectors = [...byHost.values()]
			.flat()
			.flatMap((entry) => (entry.selector === undefined ? [] : [entry.selector]));
		byNamespace.set(namespace, { byHost, wildcards, selectors });
	}
	return { rootNamespace: mesh.rootNamespace, byNamespace, problems };
}

/** `labels` are the client's, for rules with a workloadSelector. */
export function destinationFor(
	index: DestinationRuleIndex,
	service: Pick<MeshService, "hostname" | "namespace">,
	namespace: string,
	labels: Labels,
): DestinationPolicy | undefined {
	const root = index.rootNamespace;
	const own = lookUp(index.byNamespace.get(namespace), service.hostname, (entry) => {
		if (entry.selector !== undefined) return selects(entry.selector, labels);
		return isVisibleTo(entry.exportTo, namespace);
	});
	if (own !== undefined) return own;
	const exported = (entry: DestinationEntry) => entry.selector === undefined && isVisibleTo(entry.exportTo, namespace);
	for (const other of [service.namespace, root]) {
		if (other === namespace) continue;
		const found = lookUp(index.byNamespace.get(other), service.hostname, exported);
		if (found !== undefined) return found;
	}
	return undefined;
}

interface Draft {
	readonly rules: Rule[];
	readonly exportTo: readonly string[];
	readonly selector: Labels | undefined;
}

function finish(draft: Draft, old: readonly DestinationEntry[], problems: BuildProblem[]): DestinationEntry {
	const { rules, exportTo, selector } = draft;
	const { policy, problems: found } = mergeRules(rules);
	problems.push(...found);
	const previous = old.find((entry) => sameItems(entry.rules, rules));
	return { rules, exportTo, ...(selector === undefined ? {} : { selector }), policy: previous?.policy ?? policy };
}

/** Subsets are put one after another, a name counts once, and the first trafficPolicy wins. */
function mergeRules(rules: readonly Rule[]): { readonly policy: DestinationPolicy; readonly problems: BuildProblem[] } {
	const problems: BuildProblem[] = [];
	const subsets = new Map<string, { readonly subset: Subset; readonly from: Rule }>();
	let policyFrom: Rule | undefined;
	for (const rule of rules) {
		if (rule.spec.trafficPolicy !== undefined) {
			if (policyFrom === undefined) policyFrom = rule;
			else problems.push(lost(rule, `its trafficPolicy for ${rule.spec.host} is not used`, policyFrom));
		}
		for (const subset of rule.spec.subsets ?? []) {
			const first = subsets.get(subset.name);
			if (first === undefined) subsets.set(subset.name, { subset, from: rule });
			else problems.push(lost(rule, `subset ${subset.name} of ${rule.spec.host} is defined already`, first.from));
		}
	}
	const trafficPolicy = policyFrom?.spec.trafficPolicy;
	const policy = {
		sources: rules.map(keyOf),
		...(trafficPolicy === undefined ? {} : { trafficPolicy }),
		subsets: [...subsets.values()].map((one) => one.subset),
	};
	return { policy, problems };
}

function lost(rule: Rule, because: string, winner: Rule): BuildProblem {
	return { object: keyOf(rule), because, winner: keyOf(winner) };
}

function lookUp(
	rules: NamespaceRules | undefined,
	hostname: string,
	accepts: (entry: DestinationEntry) => boolean,
): DestinationPolicy | undefined {
	if (rules === undefined) return undefined;
	const exact = pick(rules.byHost.get(hostname), accepts);
	if (exact !== undefined) return exact;
	for (const wildcard of rules.wildcards) {
		if (!hostWithin(hostname, wildcard)) continue;
		const found = pick(rules.byHost.get(wildcard), accepts);
		if (found !== undefined) return found;
	}
	return undefined;
}

/** A rule made for these very workloads comes before one for everybody. */
function pick(
	entries: readonly DestinationEntry[] | undefined,
	accepts: (entry: DestinationEntry) => boolean,
): DestinationPolicy | undefined {
	const accepted = entries?.filter(accepts) ?? [];
	return (accepted.find((entry) => entry.selector !== undefined) ?? accepted[0])?.policy;
}

function emplace<K, V>(map: Map<K, V>, key: K, make: () => V): V {
	const known = map.get(key);
	if (known !== undefined) return known;
	const made = make();
	map.set(key, made);
	return made;
}
