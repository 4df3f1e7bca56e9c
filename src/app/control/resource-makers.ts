// Which objects a generated resource was made of. It names VirtualServices and DestinationRules by their path in Istio's
// metadata, and services by their host.

import { configPath } from "../../envoy/istio-metadata.ts";
import { type AnyObject, keyOf } from "../../resources/config-object.ts";
import type { EncodedResource, ProxyConfig, TypeUrl } from "../../xds/resource.ts";

const remembered = new WeakMap<EncodedResource, readonly string[]>();
const makerPattern = /\/apis\/[\w.-]+\/[\w]+\/namespaces\/[a-z0-9.-]+\/[a-z-]+\/[a-z0-9.-]+/g;

/** The config paths in the resource's metadata. Read out of the encoded bytes, which hold texts as they are. */
export function makersOf(resource: EncodedResource): readonly string[] {
	const known = remembered.get(resource);
	if (known) return known;
	const found = [...new Set(textOf(resource).match(makerPattern) ?? [])];
	remembered.set(resource, found);
	return found;
}

/** As `makersOf` names it. */
export function makerText(object: AnyObject): string {
	return configPath(keyOf(object));
}

export function findResource(
	config: ProxyConfig | undefined,
	typeUrl: TypeUrl,
	name: string,
): EncodedResource | undefined {
	for (const part of config?.get(typeUrl)?.parts ?? []) {
		const resource = part.resources.get(name);
		if (resource) return resource;
	}
	return undefined;
}

/** Those of the objects that at least one of the resources was made of, as far as resources tell. */
export function makersAmong(
	objects: readonly AnyObject[],
	resources: readonly EncodedResource[],
): readonly AnyObject[] {
	const paths = new Set(resources.flatMap(makersOf));
	const texts = resources.map(textOf);
	return objects.filter((object) => {
		if (paths.has(makerText(object))) return true;
		const hosts = hostsOf(object);
		return hosts.some((host) => texts.some((text) => text.includes(host)));
	});
}

function hostsOf(object: AnyObject): readonly string[] {
	if (object.kind === "Service") return [`${object.metadata.name}.${object.metadata.namespace}.svc.`];
	return object.kind === "ServiceEntry" ? (object.spec.hosts ?? []) : [];
}

const shortestQuotation = 4;

/**
 * The one whose text the message quotes at most length, if there is one: Envoy says which pattern, host or value it does not
 * like. Undefined when several are equally quoted, or none.
 */
export function quotedIn(
	message: string,
	objects: readonly AnyObject[],
	shortest = shortestQuotation,
): AnyObject | undefined {
	let best: AnyObject | undefined;
	let bestLength = shortest - 1;
	for (const object of objects) {
		const length = longestQuoted(message, object.spec);
		if (length > bestLength) [best, bestLength] = [object, length];
		else if (length === bestLength) best = undefined;
	}
	return best;
}

function longestQuoted(message: string, value: unknown): number {
	if (typeof value === "string") return message.includes(value) ? value.length : 0;
	if (typeof value !== "object" || value === null) return 0;
	return Math.max(0, ...Object.values(value).map((one) => longestQuoted(message, one)));
}

function textOf({ any }: EncodedResource): string {
	return Buffer.from(any.buffer, any.byteOffset, any.length).toString("latin1");
}
