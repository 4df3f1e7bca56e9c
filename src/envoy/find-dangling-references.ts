// Everything for one proxy -> what it names but does not hold. Envoy waits for a missing route table, load assignment or
// secret, and so would never use the listener or cluster that names it; a missing cluster is connections lost.

import type { ProxyConfig, ResourcePart, TypeUrl } from "../xds/resource.ts";
import { typeUrls } from "../xds/resource.ts";
import { type Reference, referencesOf } from "./references.ts";

export interface DanglingReference {
	/** The resource that names what is missing. */
	readonly from: Reference;
	readonly to: Reference;
	/**
	 * `waits`: Envoy would hold the resource back for ever. `fails`: only connections or requests that take this way fail,
	 * which may be what the user's rule says (a destination that does not exist yet).
	 */
	readonly effect: "waits" | "fails";
}

/** One sentence for each; empty when all is there. */
export function findDanglingReferences(config: ProxyConfig): readonly string[] {
	return danglingReferences(config).map(renderDangling);
}

/** `route table 9080 names cluster outbound|9080|v9|..., which does not exist` */
export function renderDangling({ from, to }: DanglingReference): string {
	return `${kindName(from.typeUrl)} ${from.name} names ${kindName(to.typeUrl)} ${to.name}, which does not exist`;
}

export function danglingReferences(config: ProxyConfig): readonly DanglingReference[] {
	const found: DanglingReference[] = [];
	for (const [typeUrl, set] of config) {
		for (const part of set.parts) {
			for (const [wantedType, needs] of needsOf(typeUrl, part)) {
				const effect = wantedType === typeUrls.cluster ? "fails" : "waits";
				for (const { to, from } of missingFrom(config.get(wantedType)?.parts ?? [], needs)) {
					if (isElsewhere(to)) continue;
					for (const name of from) found.push({ from: { typeUrl, name }, to, effect });
				}
			}
		}
	}
	return found;
}

const missingRemembered = new WeakMap<readonly Need[], WeakMap<ResourcePart, readonly Need[]>>();

/**
 * What none of the parts holds. The largest part is the one that many proxies share, and so is most of what needs it: that
 * comparison is made once for all of them.
 */
function missingFrom(parts: readonly ResourcePart[], needs: readonly Need[]): readonly Need[] {
	let missing = needs;
	let largest: ResourcePart | undefined;
	for (const part of parts) if (!largest || part.resources.size > largest.resources.size) largest = part;
	if (!largest) return missing;
	let byPart = missingRemembered.get(needs);
	if (!byPart) {
		byPart = new WeakMap();
		missingRemembered.set(needs, byPart);
	}
	const known = byPart.get(largest);
	missing = known ?? without(needs, largest);
	if (!known) byPart.set(largest, missing);
	for (const part of parts) if (part !== largest && missing.length > 0) missing = without(missing, part);
	return missing;
}

function without(needs: readonly Need[], part: ResourcePart): readonly Need[] {
	return needs.filter(({ to }) => !part.resources.has(to.name));
}

/** What the proxy's node answers for: the workload's certificate, the mesh's roots. */
function isElsewhere({ typeUrl, name }: Reference): boolean {
	return typeUrl === typeUrls.secret && (name === "default" || name === "ROOTCA");
}

/** Names of the secrets that the part's resources need. */
export function secretsNamedIn(typeUrl: TypeUrl, part: ResourcePart): readonly string[] {
	return secretNeeds(typeUrl, part).map(({ to }) => to.name);
}

/** The secrets that the part's resources need, and which need them. */
export function secretNeeds(typeUrl: TypeUrl, part: ResourcePart): readonly Need[] {
	return needsOf(typeUrl, part).get(typeUrls.secret) ?? [];
}

export interface Need {
	readonly to: Reference;
	/** Names of the resources of the part that name it. */
	readonly from: readonly string[];
}

type NeedsByType = ReadonlyMap<TypeUrl, readonly Need[]>;

const needsRemembered = new WeakMap<ResourcePart, NeedsByType>();

/** What the part's resources name, by the type of what is named. Read once for each part. */
function needsOf(typeUrl: TypeUrl, part: ResourcePart): NeedsByType {
	const known = needsRemembered.get(part);
	if (known) return known;
	const byType = new Map<TypeUrl, Map<string, { to: Reference; from: string[] }>>();
	if (typeUrl !== typeUrls.endpoints && typeUrl !== typeUrls.secret) {
		for (const resource of part.resources.values()) {
			for (const to of referencesOf(typeUrl, resource)) {
				const byName = byType.get(to.typeUrl) ?? new Map<string, { to: Reference; from: string[] }>();
				byType.set(to.typeUrl, byName);
				const need = byName.get(to.name);
				if (!need) byName.set(to.name, { to, from: [resource.name] });
				else if (need.from.at(-1) !== resource.name) need.from.push(resource.name);
			}
		}
	}
	const needs = new Map([...byType].map(([wantedType, byName]) => [wantedType, [...byName.values()]]));
	needsRemembered.set(part, needs);
	return needs;
}

function kindName(typeUrl: TypeUrl): string {
	switch (typeUrl) {
		case typeUrls.cluster:
			return "cluster";
		case typeUrls.endpoints:
			return "endpoints";
		case typeUrls.listener:
			return "listener";
		case typeUrls.route:
			return "route table";
		case typeUrls.secret:
			return "secret";
		default:
			return typeUrl;
	}
}
