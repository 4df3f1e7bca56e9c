// Policies, or parts of them, that can never have an effect: older ones win, targets that no sidecar or gateway answers to.

import type { ConfigObject } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import type { BuildProblem } from "./build-problem.ts";
import { peerSelectorOf } from "./peer-mtls.ts";
import { canBeTarget, targetsOf } from "./policy-attachment.ts";
import type { AccessPolicy, PolicyIndex } from "./policy-index.ts";

const remembered = new WeakMap<PolicyIndex, readonly BuildProblem[]>();

export function policyProblems(index: PolicyIndex): readonly BuildProblem[] {
	const known = remembered.get(index);
	if (known !== undefined) return known;
	const problems = [...index.byNamespace].flatMap(([namespace, { peers, authorization, authentication }]) => [
		...peerProblems(peers, namespace === index.rootNamespace),
		...[...authorization, ...authentication].flatMap(({ object }) => targetProblems(object)),
	]);
	remembered.set(index, problems);
	return problems;
}

function peerProblems(
	oldestFirst: readonly ConfigObject<"PeerAuthentication">[],
	isRoot: boolean,
): readonly BuildProblem[] {
	const problems: BuildProblem[] = [];
	const first = new Map<string, ConfigObject<"PeerAuthentication">>();
	for (const peer of oldestFirst) {
		const selector = peerSelectorOf(peer);
		if (isRoot && selector !== undefined) {
			const because = "it has a selector, and in the root namespace only a PeerAuthentication without one counts";
			problems.push({ object: keyOf(peer), because });
			continue;
		}
		const text = JSON.stringify(Object.entries(selector ?? {}).sort());
		const winner = first.get(text);
		if (winner === undefined) {
			first.set(text, peer);
			continue;
		}
		const whom = selector === undefined ? `the whole ${isRoot ? "mesh" : "namespace"}` : "the same workloads";
		const because = `an older PeerAuthentication is for ${whom}, and the oldest counts`;
		problems.push({ object: keyOf(peer), because, winner: keyOf(winner) });
	}
	return problems;
}

function targetProblems(policy: AccessPolicy): readonly BuildProblem[] {
	return targetsOf(policy)
		.filter((target) => !canBeTarget(target, policy.metadata.namespace))
		.map(({ kind, name, namespace }) => {
			const where =
				namespace === undefined || namespace === policy.metadata.namespace ? "" : ` of namespace ${namespace}`;
			const why =
				kind === "Gateway" ? "only gateways of its own namespace obey it" : "only waypoint proxies obey such a policy";
			return { object: keyOf(policy), because: `it does nothing for ${kind} ${name}${where}: ${why}` };
		});
}
