// What one front is in the rules: who stands at which slot, how a slot is drawn, whose source is hidden. In: a balancer, the node, what
// the front was before. Out: its state, from which its chains and elements follow.

import type { Answer, Backend, Balancer, IpFamily } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { SchedulerName } from "../scheduler.ts";
import { type DrawnBy, slotsOf } from "../schedulers/slots-of.ts";
import { familyOf } from "./family-words.ts";
import type { FrontPlace } from "./front-place.ts";

export interface FrontState {
	readonly balancer: Balancer;
	readonly place: FrontPlace;
	readonly outside: SideState;
	/** Of connections from inside, where they meet something else. */
	readonly inside: SideState | undefined;
}

export type SideState = { readonly type: "drop" | "reject" } | Spread;

export interface Spread {
	readonly type: "balance";
	/**
	 * `shared`: a chain for all fronts with as many slots. `counter`: a chain of its own, because a counter is its own. `chains`: also a
	 * chain for each backend, for affinity and for fronts whose key has no port.
	 */
	readonly form: "shared" | "counter" | "chains";
	readonly drawnBy: DrawnBy;
	readonly hides: HiddenSource;
	readonly slots: readonly Backend[];
}

/** Whose connections get the node's source address. */
export type HiddenSource = "nobody" | "outsiders" | "everybody";

/** Slots of inside answers start here, in the same map. */
export const insideSlotOffset = 65536;

const noSpread: SideState = { type: "reject" };

export function planFront(
	balancer: Balancer,
	place: FrontPlace,
	node: NodeFacts,
	before: FrontState | undefined,
): FrontState {
	return {
		balancer,
		place,
		outside: planSide(balancer.outside, balancer, place, node, before?.outside),
		inside:
			balancer.inside === undefined ? undefined : planSide(balancer.inside, balancer, place, node, before?.inside),
	};
}

/** The nearest that nftables has; undefined where it has nothing like it. */
export function drawnByOf(scheduler: SchedulerName): DrawnBy | undefined {
	switch (scheduler) {
		case "random":
		case "rr":
		case "wrr":
			return scheduler;
		case "sh":
			return "source";
		case "maglev":
		case "mh":
			return "maglev";
		default:
			return undefined;
	}
}

/** Backends that a packet of this family can be sent to. */
export function usableBackends(backends: readonly Backend[], family: IpFamily): readonly Backend[] {
	return backends.every(({ address }) => familyOf(address) === family)
		? backends
		: backends.filter(({ address }) => familyOf(address) === family);
}

function planSide(
	answer: Answer,
	balancer: Balancer,
	place: FrontPlace,
	node: NodeFacts,
	before: SideState | undefined,
): SideState {
	if (answer.type !== "balance") return answer;
	const drawnBy = drawnByOf(balancer.scheduler) ?? "random";
	const backends = usableBackends(answer.backends, place.family);
	const slots = slotsOf(
		backends,
		drawnBy,
		before?.type === "balance" && before.drawnBy === drawnBy ? before.slots : undefined,
	);
	if (slots.length === 0) return noSpread;
	return {
		type: "balance",
		form: formOf(balancer, place, drawnBy, slots),
		drawnBy,
		hides: hiddenSource(answer.masquerade, balancer, node),
		slots: slots.length > insideSlotOffset ? slots.slice(0, insideSlotOffset) : slots,
	};
}

function formOf(balancer: Balancer, place: FrontPlace, drawnBy: DrawnBy, slots: readonly Backend[]): Spread["form"] {
	if (balancer.affinity !== undefined) return "chains";
	if (place.lookup !== "services" && place.lookup !== "node-ports") return "chains";
	// A backend without a port keeps the packet's own: no element of the map can say that.
	if (slots.some(({ port }) => port === 0)) return "chains";
	return drawnBy === "rr" || drawnBy === "wrr" ? "counter" : "shared";
}

function hiddenSource(
	masquerade: "never" | "always" | "fromOutsideCluster",
	balancer: Balancer,
	node: NodeFacts,
): HiddenSource {
	if (masquerade === "always" || (node.masqueradeAll && balancer.front.type === "clusterIP")) return "everybody";
	if (masquerade === "never") return "nobody";
	return knowsPods(node, balancer.front.family) ? "outsiders" : "nobody";
}

/** Whether packets of the cluster's own pods can be told from others. */
export function knowsPods(node: NodeFacts, family: IpFamily): boolean {
	const local = node.localTraffic;
	return local?.type === "interface" || (local?.ranges.some((range) => familyOf(range) === family) ?? false);
}
