// Which Secrets the mesh needs: those that Gateways and DestinationRules name, in the namespaces of the Pods that are gateways. In:
// the resources in force. Out: `NAMESPACE/NAME` of each. No other Secret of the cluster is ever asked for.

import type { AnyObject, ConfigObject } from "../../resources/config-object.ts";
import type { ServerTls } from "../../resources/kinds/networking.ts";

export interface SecretsInput {
	readonly gateways: Iterable<ConfigObject<"Gateway">>;
	readonly destinationRules: Iterable<ConfigObject<"DestinationRule">>;
	readonly pods: Iterable<ConfigObject<"Pod">>;
}

export function neededSecrets({ destinationRules, gateways, pods }: SecretsInput): ReadonlySet<string> {
	const needed = new Set<string>();
	const all = [...gateways];
	if (all.length === 0) return needed;
	const placesOf = placesBySelector(all, pods);
	const allPlaces = new Set([...placesOf.values()].flatMap((places) => [...places]));
	const add = (places: Iterable<string>, name: string): void => {
		for (const place of places)
			for (const secret of [name, `${name}-cacert`]) needed.add(`${place}/${secret.replace(/^kubernetes:\/\//, "")}`);
	};
	for (const { spec } of all)
		for (const { tls } of spec.servers ?? [])
			for (const name of credentialsOf(tls)) add(placesOf.get(selectorText(spec.selector)) ?? [], name);
	for (const { spec } of destinationRules) {
		const policies = [spec.trafficPolicy, ...(spec.subsets ?? []).map(({ trafficPolicy }) => trafficPolicy)];
		for (const policy of policies)
			for (const { tls } of [policy, ...(policy?.portLevelSettings ?? [])].filter((one) => one !== undefined))
				if (tls?.credentialName) add(allPlaces, tls.credentialName);
	}
	return needed;
}

/** True when a change of such an object can make another Secret needed. */
export function mayNeedSecrets({ kind, metadata }: AnyObject, selectors: ReadonlySet<string>): boolean {
	if (kind === "Gateway" || kind === "DestinationRule") return true;
	if (kind !== "Pod") return false;
	for (const text of selectors) if (matches(JSON.parse(text), metadata.labels)) return true;
	return false;
}

export function selectorsOf(gateways: Iterable<ConfigObject<"Gateway">>): ReadonlySet<string> {
	return new Set([...gateways].map(({ spec }) => selectorText(spec.selector)));
}

type Labels = Readonly<Record<string, string>>;

function placesBySelector(
	gateways: readonly ConfigObject<"Gateway">[],
	pods: Iterable<ConfigObject<"Pod">>,
): ReadonlyMap<string, ReadonlySet<string>> {
	const found = new Map([...selectorsOf(gateways)].map((text) => [text, new Set<string>()] as const));
	const selectors = [...found].map(([text, places]) => ({ places, labels: JSON.parse(text) as Labels }));
	for (const { metadata } of pods)
		for (const { labels, places } of selectors) if (matches(labels, metadata.labels)) places.add(metadata.namespace);
	return found;
}

/** One without labels chooses every gateway of its namespace in Istio, and nothing here: it would be every Pod. */
function matches(selector: Labels, labels: Labels): boolean {
	const wanted = Object.entries(selector);
	return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}

function selectorText(selector: Labels | undefined): string {
	return JSON.stringify(Object.fromEntries(Object.entries(selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function credentialsOf(tls: ServerTls | undefined): readonly string[] {
	const names = [tls?.credentialName, ...(tls?.credentialNames ?? []), tls?.caCertCredentialName];
	return names.filter((name): name is string => name !== undefined && name !== "");
}
