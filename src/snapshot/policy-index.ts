// All policies by namespace, oldest first, each with what views show of it. A namespace whose policies did not change keeps
// its identity; a change costs as much as the policies of its namespace.

import type { AuthorizationPolicyView, JwtRuleView } from "../model/security.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { byAge, keyOf } from "../resources/config-object.ts";
import type { JwtRule } from "../resources/kinds/security.ts";
import { type KeySets, keySetOf } from "./key-sets.ts";
import type { ObjectEdit } from "./object-store.ts";
import { keepIdentity } from "./same-value.ts";

export type AccessPolicy = ConfigObject<"AuthorizationPolicy"> | ConfigObject<"RequestAuthentication">;

export interface PreparedPolicy<Shown> {
	readonly object: AccessPolicy;
	readonly shown: Shown;
}

export interface NamespacePolicies {
	readonly peers: readonly ConfigObject<"PeerAuthentication">[];
	readonly authorization: readonly PreparedPolicy<AuthorizationPolicyView>[];
	readonly authentication: readonly PreparedPolicy<readonly JwtRuleView[]>[];
}

export interface PolicyIndex {
	/** Whose policies are for the whole mesh. */
	readonly rootNamespace: string;
	readonly byNamespace: ReadonlyMap<string, NamespacePolicies>;
	/** What was fetched for the rules that name no key themselves. */
	readonly keySets: KeySets;
	/** False while no PeerAuthentication turns mutual TLS off anywhere, so that nobody has to ask for endpoints' modes. */
	readonly mayDisable: boolean;
}

export const noPolicies: NamespacePolicies = { peers: [], authorization: [], authentication: [] };

export function emptyPolicyIndex(rootNamespace: string): PolicyIndex {
	return { rootNamespace, byNamespace: new Map(), keySets: new Map(), mayDisable: false };
}

/** `previous` itself when no policy is different. */
export function updatePolicies(
	previous: PolicyIndex,
	edits: readonly ObjectEdit[],
	rootNamespace: string,
): PolicyIndex {
	const touched = new Map<string, NamespacePolicies>();
	for (const { key, before, after } of edits) {
		const object = after ?? before;
		if (object === undefined || !policyKinds.has(object.kind)) continue;
		const namespace = object.metadata.namespace;
		const current = touched.get(namespace) ?? previous.byNamespace.get(namespace) ?? noPolicies;
		touched.set(namespace, withEdit(current, key, object.kind, after, previous.keySets));
	}
	if (touched.size === 0) return rootNamespace === previous.rootNamespace ? previous : { ...previous, rootNamespace };
	const byNamespace = new Map(previous.byNamespace);
	for (const [namespace, policies] of touched) {
		if (policies.peers.length + policies.authorization.length + policies.authentication.length > 0)
			byNamespace.set(namespace, policies);
		else byNamespace.delete(namespace);
	}
	return { ...previous, rootNamespace, byNamespace, mayDisable: mayDisable(byNamespace.values()) };
}

/** Rules that show other keys now are new, all others keep their identity. */
export function withKeySets(previous: PolicyIndex, keySets: KeySets): PolicyIndex {
	const byNamespace = new Map<string, NamespacePolicies>();
	let moved = false;
	for (const [namespace, policies] of previous.byNamespace) {
		const authentication = policies.authentication.map((policy) => {
			const shown = keepIdentity(policy.shown, rulesOf(policy.object, keySets));
			return shown === policy.shown ? policy : { object: policy.object, shown };
		});
		const same = authentication.every((policy, index) => policy === policies.authentication[index]);
		moved ||= !same;
		byNamespace.set(namespace, same ? policies : { ...policies, authentication });
	}
	return { ...previous, keySets, byNamespace: moved ? byNamespace : previous.byNamespace };
}

/** Those that may apply to workloads of a namespace: of the root namespace first, then of their own. */
export function policiesNear(index: PolicyIndex, namespace: string): readonly NamespacePolicies[] {
	const own = index.byNamespace.get(namespace);
	const root = namespace === index.rootNamespace ? undefined : index.byNamespace.get(index.rootNamespace);
	return [root, own].filter((policies) => policies !== undefined);
}

const policyKinds: ReadonlySet<string> = new Set([
	"PeerAuthentication",
	"AuthorizationPolicy",
	"RequestAuthentication",
]);

function withEdit(
	policies: NamespacePolicies,
	key: string,
	kind: string,
	after: ObjectEdit["after"],
	keySets: KeySets,
): NamespacePolicies {
	switch (kind) {
		case "PeerAuthentication": {
			const others = policies.peers.filter((peer) => keyOf(peer) !== key);
			return { ...policies, peers: after?.kind === kind ? [...others, after].sort(byAge) : others };
		}
		case "AuthorizationPolicy": {
			const added = after?.kind === kind ? [{ object: after, shown: authorizationView(after) }] : [];
			return { ...policies, authorization: replaced(policies.authorization, key, added) };
		}
		default: {
			const added = after?.kind === "RequestAuthentication" ? [{ object: after, shown: rulesOf(after, keySets) }] : [];
			return { ...policies, authentication: replaced(policies.authentication, key, added) };
		}
	}
}

function replaced<Shown>(
	list: readonly PreparedPolicy<Shown>[],
	key: string,
	added: readonly PreparedPolicy<Shown>[],
): readonly PreparedPolicy<Shown>[] {
	const others = list.filter((policy) => keyOf(policy.object) !== key);
	return [...others, ...added].sort((a, b) => byAge(a.object, b.object));
}

/** Annotation of AuthorizationPolicies that are only tried. */
export const dryRunAnnotation = "istio.io/dry-run";

const yes: ReadonlySet<string> = new Set(["true", "True", "TRUE", "t", "T", "1"]);

function authorizationView(object: ConfigObject<"AuthorizationPolicy">): AuthorizationPolicyView {
	const { metadata, spec } = object;
	const provider = spec.provider?.name;
	return {
		source: keyOf(object),
		namespace: metadata.namespace,
		name: metadata.name,
		action: spec.action ?? "ALLOW",
		...(provider === undefined ? {} : { provider }),
		dryRun: yes.has(metadata.annotations[dryRunAnnotation] ?? ""),
		rules: spec.rules ?? [],
	};
}

function rulesOf(object: AccessPolicy, keySets: KeySets): readonly JwtRuleView[] {
	if (object.kind !== "RequestAuthentication") return [];
	const source = keyOf(object);
	return (object.spec.jwtRules ?? []).map((rule: JwtRule): JwtRuleView => {
		const keys = keySetOf(rule, keySets);
		return { ...rule, source, ...(keys === undefined ? {} : { keys }) };
	});
}

function mayDisable(namespaces: Iterable<NamespacePolicies>): boolean {
	for (const { peers } of namespaces)
		for (const { spec } of peers) {
			if (spec.mtls?.mode === "DISABLE") return true;
			for (const port of Object.values(spec.portLevelMtls ?? {})) if (port.mode === "DISABLE") return true;
		}
	return false;
}
