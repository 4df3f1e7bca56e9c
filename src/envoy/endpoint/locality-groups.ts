// Endpoints of one cluster -> groups by locality and priority, as Istio's locality load balancing wants them for a client.
// https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/

import type { Endpoint, Locality } from "../../model/endpoint.ts";
import type { EndpointsView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { LocalityLbSetting } from "../../resources/kinds/networking.ts";
import type { LocalityPolicy } from "../cluster/locality-setting.ts";

export interface LocalityGroup {
	readonly locality: Locality;
	/** 0 is tried first. */
	readonly priority: number;
	/** Share among groups of the same priority; 0: the group gets nothing. */
	readonly weight: number;
	readonly endpoints: readonly Endpoint[];
}

/** The client, as far as its place matters. */
export type ClientPlace = Pick<EndpointsView, "locality" | "network" | "clusterId" | "labels">;

export function localityGroups(
	endpoints: readonly Endpoint[],
	policy: LocalityPolicy | undefined,
	client: ClientPlace,
): readonly LocalityGroup[] {
	const byLocality = Map.groupBy(endpoints, ({ locality }) => localityText(locality));
	const groups = [...byLocality.entries()]
		.sort(([a], [b]) => compareText(a, b))
		.map(([, members]) => group(members, 0));
	if (policy === undefined) return groups;
	const { setting } = policy;
	if (setting.distribute?.length) return distributed(groups, setting, client.locality);
	if (!policy.failover) return groups;
	const labels = setting.failoverPriority;
	const ranked = labels?.length
		? groups.flatMap(({ endpoints }) => byFailoverLabels(endpoints, labels, client))
		: groups;
	if (labels?.length && !setting.failover?.length) return withoutGaps(ranked);
	return withoutGaps(
		ranked.map((one) => ({
			...one,
			priority: one.priority * 5 + distance(client.locality, one.locality, setting.failover),
		})),
	);
}

function group(endpoints: readonly Endpoint[], priority: number): LocalityGroup {
	const locality = endpoints[0]?.locality ?? { region: "", zone: "", subzone: "" };
	return { locality, priority, endpoints, weight: endpoints.reduce((sum, { weight }) => sum + weight, 0) };
}

/** Weights as the rule gives them for the client's locality; places that it leaves out get nothing. */
function distributed(
	groups: readonly LocalityGroup[],
	setting: LocalityLbSetting,
	client: Locality,
): readonly LocalityGroup[] {
	const rule = setting.distribute?.find(({ from }) => matches(client, from ?? ""));
	if (rule === undefined) return groups;
	const weights = new Map<LocalityGroup, number>();
	// The narrowest place first, so that `*` takes what the others leave.
	const places = Object.entries(rule.to ?? {}).sort(([a], [b]) => breadth(a) - breadth(b) || compareText(a, b));
	for (const [place, share] of places) {
		const members = groups.filter((one) => !weights.has(one) && matches(one.locality, place));
		const total = members.reduce((sum, { weight }) => sum + weight, 0);
		for (const one of members) weights.set(one, Math.ceil((one.weight * share) / total));
	}
	return groups.flatMap((one) => {
		const weight = weights.get(one) ?? 0;
		return weight > 0 ? [{ ...one, weight }] : [];
	});
}

function breadth(place: string): number {
	const [region = "", zone = "*", subzone = "*"] = place.split("/");
	return (region === "*" ? 4 : 0) + (zone === "*" ? 2 : 0) + (subzone === "*" ? 1 : 0);
}

/** `region/zone/subzone`, each part of which may be `*` or missing. */
function matches(locality: Locality, place: string): boolean {
	const [region = "", zone = "", subzone = ""] = place.split("/");
	return (
		(region === "*" || region === locality.region) &&
		(zone === "*" || zone === "" || zone === locality.zone) &&
		(subzone === "*" || subzone === "" || subzone === locality.subzone)
	);
}

/** 0 same subzone, 1 same zone, 2 same region, 3 elsewhere (or the region named for failover), 4 other regions then. */
function distance(client: Locality, locality: Locality, failover: LocalityLbSetting["failover"]): number {
	if (client.region === locality.region) {
		if (client.zone !== locality.zone) return 2;
		return client.subzone === locality.subzone ? 0 : 1;
	}
	const rule = failover?.find(({ from }) => from === client.region);
	return rule === undefined || rule.to === locality.region ? 3 : 4;
}

/** Splits one locality's endpoints by how many of the labels, in order, they share with the client. */
function byFailoverLabels(
	endpoints: readonly Endpoint[],
	labels: readonly string[],
	client: ClientPlace,
): readonly LocalityGroup[] {
	const wanted = labels.map((label) => {
		const [key = "", value] = label.split("=");
		return { key, value: value ?? placeLabel(key, client, client.labels ?? {}) };
	});
	const byPriority = Map.groupBy(endpoints, (endpoint) => {
		const miss = wanted.findIndex(({ key, value }) => placeLabel(key, endpoint, endpoint.labels) !== value);
		return miss === -1 ? 0 : labels.length - miss;
	});
	return [...byPriority.entries()].sort(([a], [b]) => a - b).map(([priority, members]) => group(members, priority));
}

/** Topology labels that a pod does not carry itself are known from where it runs. */
function placeLabel(
	key: string,
	place: { readonly locality: Locality; readonly network: string; readonly clusterId: string },
	labels: Readonly<Record<string, string>>,
): string {
	const label = labels[key];
	if (label !== undefined) return label;
	switch (key) {
		case "topology.istio.io/network":
			return place.network;
		case "topology.istio.io/cluster":
			return place.clusterId;
		case "topology.kubernetes.io/region":
			return place.locality.region;
		case "topology.kubernetes.io/zone":
			return place.locality.zone;
		case "topology.istio.io/subzone":
			return place.locality.subzone;
		default:
			return "";
	}
}

/** Envoy wants priorities 0, 1, 2... without gaps. */
function withoutGaps(groups: readonly LocalityGroup[]): readonly LocalityGroup[] {
	const order = [...new Set(groups.map(({ priority }) => priority))].sort((a, b) => a - b);
	return groups.map((one) => ({ ...one, priority: order.indexOf(one.priority) }));
}

export function localityText({ region, zone, subzone }: Locality): string {
	return `${region}/${zone}/${subzone}`;
}
