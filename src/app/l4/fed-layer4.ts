// Layer 4 of one machine with a source of its Services: what the source tells becomes rules at once. In: settings, and what opens
// the source. Out: running rules, and the moment from which they are those of the source.

import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { RulesProblem } from "../../node/layer4/layer4-status.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Change } from "../../snapshot/change.ts";
import { type Layer4State, noLayer4Services, updateLayer4Services } from "../../snapshot/layer4-services.ts";
import { changedKeys } from "../../snapshot/persistent-map.ts";
import { applyChanges, applyLost, emptySnapshot, type Snapshot } from "../../snapshot/snapshot.ts";
import { type NodeLayer4, type NodeLayer4Options, type OpenedLayer4, openNodeLayer4 } from "./node-layer4.ts";

export type FedLayer4Options = Omit<NodeLayer4Options, "otherProblems" | "isEligible">;

export type OpenLayer4Source = (told: Layer4Told) => Layer4Source;

/** What a source of Services tells. */
export interface Layer4Told {
	readonly onChanges: (changes: readonly Change[]) => void;
	/** All nodes that are lost now: nothing new is sent to what is on them. */
	readonly onLost: (nodes: ReadonlySet<string>) => void;
	/** Before the first changes, where the machine is not known by flags; and whether load balancers may send to it. */
	readonly onMachine: (machine: NodeLayer4Options["machine"], isEligible: boolean) => void;
}

export interface Layer4Source {
	/** Everything has been told for the first time. */
	readonly ready: Promise<void>;
	problems?(): readonly RulesProblem[];
	close(): void;
}

export interface FedLayer4 {
	readonly balancing: NodeLayer4;
	/** From then on the rules are the source's. Never rejects; may take as long as a server is away. */
	readonly ready: Promise<void>;
	/** Rules stay unless told. */
	close(closing?: { readonly keepRules: boolean }): void;
}

export type OpenedFedLayer4 =
	| { readonly ok: true; readonly value: FedLayer4 }
	| Extract<OpenedLayer4, { readonly ok: false }>;

export async function openFedLayer4(
	options: FedLayer4Options,
	openSource: OpenLayer4Source,
	deps: { readonly clock: Clock; readonly log: Log },
): Promise<OpenedFedLayer4> {
	let isEligible = true;
	let problems = (): readonly RulesProblem[] => [];
	const opened = await openNodeLayer4(
		{ ...options, isEligible: () => isEligible, otherProblems: () => problems() },
		deps,
	);
	if (!opened.ok) return opened;
	const balancing = opened.value;
	let snapshot = emptySnapshot();
	let state: Layer4State = noLayer4Services;
	const take = (next: Snapshot): void => {
		snapshot = next;
		const services = updateLayer4Services(state, snapshot);
		const changed = new Map<string, Layer4Service | undefined>();
		for (const key of changedKeys(state.services, services.services)) changed.set(key, services.services.get(key));
		state = services;
		if (changed.size > 0) balancing.update(changed);
	};
	const source = openSource({
		onChanges: (changes) => take(applyChanges(snapshot, changes).snapshot),
		onLost: (nodes) => take(applyLost(snapshot, { nodes, pods: new Set() }).snapshot),
		onMachine: (machine, isNowEligible) => {
			isEligible = isNowEligible;
			balancing.setMachine(machine);
		},
	});
	problems = () => source.problems?.() ?? [];
	// Also when there is no Service: what an earlier run left has no reason any more.
	const ready = source.ready.then(() => balancing.update(new Map()));
	return {
		ok: true,
		value: {
			balancing,
			ready,
			close: (closing = { keepRules: true }) => {
				source.close();
				balancing.close(closing);
			},
		},
	};
}
