// A refusal -> the resources that may be to blame: of those that changed last, the ones that what was refused is made of; the
// one that Envoy's message quotes, where it quotes one.

import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { ObjectStore } from "../../snapshot/object-store.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { makersAmong, quotedIn } from "./resource-makers.ts";

/** Generated resources name these as their makers. */
const namedKinds: readonly (keyof ObjectStore)[] = ["VirtualService", "DestinationRule"];
/** Alone, without a change that could have caused it, a quotation must be a long one. */
const longQuotation = 6;

type Suspects = ReadonlyMap<
	ObjectKey,
	{ readonly before: AnyObject | undefined; readonly after: AnyObject | undefined }
>;

/**
 * Empty when nothing is known: the refusal is then shown, and nothing is done about it. `objects` are looked through when no
 * suspect fits.
 */
export function traceRefusal(
	message: string,
	resources: readonly EncodedResource[],
	suspects: Suspects,
	objects: ObjectStore,
): readonly ObjectKey[] {
	const changed = [...suspects.values()].flatMap(({ after, before }) => after ?? before ?? []);
	const makers = makersAmong(changed, resources);
	if (makers.length > 0) return oneOrAll(message, makers);
	const others = changed.filter(({ kind }) => !namedKinds.some((named) => named === kind));
	if (others.length > 0) return oneOrAll(message, others);
	// Not after a change: this control plane was started, or took the proxy over, with the resource already there.
	const all = namedKinds.flatMap((kind) => [...(objects[kind]?.values() ?? [])]);
	const quoted = quotedIn(message, makersAmong(all, resources), longQuotation);
	return quoted ? [keyOf(quoted)] : [];
}

function oneOrAll(message: string, objects: readonly AnyObject[]): readonly ObjectKey[] {
	const quoted = objects.length > 1 ? quotedIn(message, objects) : undefined;
	return quoted ? [keyOf(quoted)] : objects.map(keyOf);
}
