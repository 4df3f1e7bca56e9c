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
			for (const [key, from] of referencesIn(typeUrl, part)) {
				const to = parseKey(key);
				if (isElsewhere(to) || has(config, to)) continue;
				const effect = to.typeUrl === typeUrls.cluster ? "fails" : "waits";
				for (const name of from) found.push({ from: { typeUrl, name }, to, effect });
			}
		}
	}
	return found;
}

/** What the proxy's node answers for: the workload's certificate, the mesh's roots. */
function isElsewhere({ typeUrl, name }: Reference): boolean {
	return typeUrl === typeUrls.secret && (name === "default" || name === "ROOTCA");
}

function has(config: ProxyConfig, { typeUrl, name }: Reference): boolean {
	return config.get(typeUrl)?.parts.some((part) => part.resources.has(name)) ?? false;
}

/** Names of the secrets that the part's resources need. */
export function secretsNamedIn(typeUrl: TypeUrl, part: ResourcePart): readonly string[] {
	const targets = [...referencesIn(typeUrl, part).keys()].map(parseKey);
	return targets.filter((to) => to.typeUrl === typeUrls.secret).map(({ name }) => name);
}

type ReferencesOfPart = ReadonlyMap<string, readonly string[]>;

const remembered = new WeakMap<ResourcePart, ReferencesOfPart>();

/** `typeUrl name` of what is named -> the resources of the part that name it. Read once for each part. */
function referencesIn(typeUrl: TypeUrl, part: ResourcePart): ReferencesOfPart {
	let references = remembered.get(part);
	if (!references) {
		const byTarget = new Map<string, string[]>();
		if (typeUrl !== typeUrls.endpoints && typeUrl !== typeUrls.secret) {
			for (const resource of part.resources.values()) {
				for (const to of referencesOf(typeUrl, resource)) {
					const key = `${to.typeUrl} ${to.name}`;
					const from = byTarget.get(key);
					if (!from) byTarget.set(key, [resource.name]);
					else if (from.at(-1) !== resource.name) from.push(resource.name);
				}
			}
		}
		references = byTarget;
		remembered.set(part, references);
	}
	return references;
}

function parseKey(key: string): Reference {
	const space = key.indexOf(" ");
	return { typeUrl: key.slice(0, space), name: key.slice(space + 1) };
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
