// What resources asked for and do not get, mesh-wide: hosts lost to an older rule, delegates that do not fit, servers of
// Gateways in each other's way, duplicates. Each with the winner where there was a contest.

import type { ConfigObject } from "../resources/config-object.ts";
import { byAge, compareText, keyOf } from "../resources/config-object.ts";
import type { BuildProblem } from "./build-problem.ts";
import { mergeGatewayServers } from "./gateway-servers.ts";
import { hotSwitchProblems } from "./hot-switch-policies.ts";
import { meshConfigInForce } from "./mesh-config.ts";
import { objectsOf } from "./object-store.ts";
import { policyProblems } from "./policy-problems.ts";
import type { Routing } from "./routing.ts";
import { selectorOf } from "./sidecar-selection.ts";
import type { Snapshot } from "./snapshot.ts";
import type { PreparedVirtualService } from "./virtual-service-index.ts";
import { visibilitiesMeet } from "./visibility.ts";

/** Sorted by object. */
export function problemsOf(snapshot: Snapshot): readonly BuildProblem[] {
	const configs = [...objectsOf(snapshot.objects, "MeshConfig").values()];
	const problems = [
		...routingProblems(snapshot.routing),
		...policyProblems(snapshot.policies),
		...idleMeshConfigs(configs),
		...hotSwitchProblems(snapshot),
	];
	return problems.sort((a, b) => compareText(a.object, b.object) || compareText(a.because, b.because));
}

const remembered = new WeakMap<Routing, readonly BuildProblem[]>();

function routingProblems(routing: Routing): readonly BuildProblem[] {
	const known = remembered.get(routing);
	if (known !== undefined) return known;
	const problems = [
		...routing.registry.problems,
		...routing.destinationRules.problems,
		...routing.virtualServices.prepared.flatMap((prepared) => prepared.problems),
		...lostHosts(routing.virtualServices.prepared),
		...gatewayConflicts(routing.gateways),
		...idleSidecars(routing.sidecars),
	];
	remembered.set(routing, problems);
	return problems;
}

/** In the mesh the oldest VirtualService has a host whole, for every namespace that sees both. */
function lostHosts(prepared: readonly PreparedVirtualService[]): readonly BuildProblem[] {
	const problems: BuildProblem[] = [];
	const owners = new Map<string, PreparedVirtualService[]>();
	for (const rule of prepared) {
		if (!rule.gateways.includes("mesh")) continue;
		for (const host of rule.hosts) {
			const older = owners.get(host) ?? [];
			owners.set(host, [...older, rule]);
			const winner = older.find((other) => visibilitiesMeet(other.exportTo, rule.exportTo));
			if (winner === undefined) continue;
			const because = `host ${host} belongs to an older VirtualService; routes for it are not used in the mesh`;
			problems.push({ object: rule.source, because, winner: winner.source });
		}
	}
	return problems;
}

/** Gateways with the same selector run on the same workloads; how Services map their ports is left out of account. */
function gatewayConflicts(gateways: readonly ConfigObject<"Gateway">[]): readonly BuildProblem[] {
	const together = Map.groupBy(gateways, (gateway) =>
		JSON.stringify(Object.entries(gateway.spec.selector ?? {}).sort()),
	);
	return [...together.values()].flatMap((group) => mergeGatewayServers(group, (port) => port).problems);
}

/** Of several Sidecars for the same workloads the oldest counts. */
function idleSidecars(sidecars: Routing["sidecars"]): readonly BuildProblem[] {
	const problems: BuildProblem[] = [];
	for (const list of sidecars.values()) {
		const first = new Map<string, ConfigObject<"Sidecar">>();
		for (const sidecar of list) {
			const selector = JSON.stringify(Object.entries(selectorOf(sidecar) ?? {}).sort());
			const winner = first.get(selector);
			if (winner === undefined) first.set(selector, sidecar);
			else
				problems.push({
					object: keyOf(sidecar),
					because: "an older Sidecar of its namespace is for the same workloads",
					winner: keyOf(winner),
				});
		}
	}
	return problems;
}

function idleMeshConfigs(configs: readonly ConfigObject<"MeshConfig">[]): readonly BuildProblem[] {
	const winner = meshConfigInForce(configs);
	if (winner === undefined) return [];
	return configs
		.filter((config) => config !== winner)
		.sort(byAge)
		.map((config) => ({
			object: keyOf(config),
			because: "another MeshConfig is in force; a mesh has one",
			winner: keyOf(winner),
		}));
}
