// What may be done for one workload whose proxy fails: the mesh's HotSwitch (root namespace, no selector), overlaid field by
// field by its namespace's, then by the one that selects it; the oldest of each. Equal policies are the same object.

import { defaultHotSwitchPolicy, type HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import type { InboundView } from "../model/view.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { byAge, keyOf } from "../resources/config-object.ts";
import type { HotSwitchSpec } from "../resources/kinds/hot-switch.ts";
import { parseDurationMs } from "../resources/text/duration.ts";
import type { BuildProblem } from "./build-problem.ts";
import { selects } from "./label-selector.ts";
import { objectsOf } from "./object-store.ts";
import type { PersistentMap } from "./persistent-map.ts";
import type { Snapshot } from "./snapshot.ts";

type HotSwitch = ConfigObject<"HotSwitch">;
type Labels = Readonly<Record<string, string>>;

export interface HotSwitchWorkload {
	readonly namespace: string;
	readonly labels: Labels;
	/** With the mutual TLS in force for it. */
	readonly inbound?: InboundView;
}

/** With the defaults where no HotSwitch says a field. */
export function hotSwitchPolicyFor(
	snapshot: Pick<Snapshot, "objects" | "policies" | "memo">,
	workload: HotSwitchWorkload,
): HotSwitchPolicy {
	const { namespace, labels, inbound } = workload;
	const objects = objectsOf(snapshot.objects, "HotSwitch");
	const widestFirst = levelsFor(byNamespace(objects), snapshot.policies.rootNamespace, namespace, labels);
	const permitsPlaintext = inbound?.security?.mtls?.mode !== "STRICT";
	const scope = JSON.stringify([permitsPlaintext, ...widestFirst.map(keyOf)]);
	return snapshot.memo.hotSwitch.get(namespace, scope, objects, () =>
		policyOf(
			widestFirst.map(({ spec }) => spec),
			permitsPlaintext,
		),
	);
}

function policyOf(widestFirst: readonly HotSwitchSpec[], permitsPlaintext: boolean): HotSwitchPolicy {
	let policy: HotSwitchPolicy = { ...defaultHotSwitchPolicy, permitsPlaintext };
	for (const spec of widestFirst) policy = overlaid(policy, spec);
	// Each resource is in order by itself, but times of several may cross.
	const leaseMs = Math.max(policy.leaseMs, 2 * policy.heartbeatMs);
	const hangMs = Math.max(policy.hangMs, leaseMs);
	return { ...policy, leaseMs, hangMs, proveMaxMs: Math.max(policy.proveMaxMs, policy.proveMs) };
}

function overlaid(policy: HotSwitchPolicy, spec: HotSwitchSpec): HotSwitchPolicy {
	const ms = (text: string | undefined, wider: number): number => parseDurationMs(text ?? "") ?? wider;
	const directLimitMs = parseDurationMs(spec.directLimit ?? "") ?? policy.directLimitMs;
	return {
		enabled: spec.enabled ?? policy.enabled,
		spare: spec.steps?.includes("spare") ?? policy.spare,
		direct: spec.steps?.includes("direct") ?? policy.direct,
		failOpen: spec.failOpen ?? policy.failOpen,
		permitsPlaintext: policy.permitsPlaintext,
		leaseMs: ms(spec.lease, policy.leaseMs),
		heartbeatMs: ms(spec.heartbeat, policy.heartbeatMs),
		hangMs: ms(spec.hang, policy.hangMs),
		proveMs: ms(spec.prove, policy.proveMs),
		flapCount: spec.flap?.count ?? policy.flapCount,
		flapWindowMs: ms(spec.flap?.window, policy.flapWindowMs),
		proveMaxMs: ms(spec.flap?.maxProve, policy.proveMaxMs),
		...(directLimitMs === undefined ? {} : { directLimitMs }),
	};
}

/** The widest first. In the root namespace selectors select nothing, as with PeerAuthentications. */
function levelsFor(
	index: ReadonlyMap<string, readonly HotSwitch[]>,
	rootNamespace: string,
	namespace: string,
	labels: Labels,
): readonly HotSwitch[] {
	const isGeneral = (one: HotSwitch): boolean => selectorOf(one) === undefined;
	const own = namespace === rootNamespace ? [] : (index.get(namespace) ?? []);
	const selecting = own.find((one) => {
		const selector = selectorOf(one);
		return selector !== undefined && selects(selector, labels);
	});
	const ofMesh = index.get(rootNamespace)?.find(isGeneral);
	return [ofMesh, own.find(isGeneral), selecting].filter((one) => one !== undefined);
}

function selectorOf({ spec }: HotSwitch): Labels | undefined {
	const labels = spec.selector?.matchLabels;
	return labels === undefined || Object.keys(labels).length === 0 ? undefined : labels;
}

const remembered = new WeakMap<PersistentMap<HotSwitch>, ReadonlyMap<string, readonly HotSwitch[]>>();

/** Oldest first. */
function byNamespace(objects: PersistentMap<HotSwitch>): ReadonlyMap<string, readonly HotSwitch[]> {
	const known = remembered.get(objects);
	if (known !== undefined) return known;
	const index = Map.groupBy([...objects.values()].sort(byAge), ({ metadata }) => metadata.namespace);
	remembered.set(objects, index);
	return index;
}

/** Those that never have an effect: an older one is for the same workloads, or a selector in the root namespace. */
export function hotSwitchProblems(snapshot: Snapshot): readonly BuildProblem[] {
	const problems: BuildProblem[] = [];
	for (const [namespace, oldestFirst] of byNamespace(objectsOf(snapshot.objects, "HotSwitch"))) {
		const first = new Map<string, HotSwitch>();
		for (const one of oldestFirst) {
			const selector = selectorOf(one);
			if (namespace === snapshot.policies.rootNamespace && selector !== undefined) {
				const because = "it has a selector, and in the root namespace only a HotSwitch without one counts";
				problems.push({ object: keyOf(one), because });
				continue;
			}
			const text = JSON.stringify(Object.entries(selector ?? {}).sort());
			const winner = first.get(text);
			if (winner === undefined) first.set(text, one);
			else {
				const because = "an older HotSwitch is for the same workloads, and the oldest counts";
				problems.push({ object: keyOf(one), because, winner: keyOf(winner) });
			}
		}
	}
	return problems;
}
