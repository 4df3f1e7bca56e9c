// What every accepted resource looks like once read: the kinds' own fields live in kinds/.

import type { CoreSpecs } from "./kinds/core.ts";
import type { KeepmeshSpecs } from "./kinds/keepmesh.ts";
import type { NetworkingSpecs } from "./kinds/networking.ts";
import type { SecuritySpecs } from "./kinds/security.ts";
import type { Origin } from "./problem.ts";

/** Kind -> shape of its `spec`. For kinds without a spec (EndpointSlice, Secret...) it is their own top-level fields. */
export interface SpecOf extends CoreSpecs, NetworkingSpecs, SecuritySpecs, KeepmeshSpecs {}

export type Kind = keyof SpecOf;

export interface ObjectMeta {
	readonly name: string;
	/** Namespaced kinds without one are read into the default namespace of the reader (`default`). Empty for Namespace. */
	readonly namespace: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
	/** Milliseconds since the epoch; 0 when the file does not say. Ties are broken by name, then namespace. */
	readonly createdMs: number;
	/** Milliseconds since the epoch when deletion began (`deletionTimestamp`), for draining. */
	readonly deletedMs?: number;
	readonly uid?: string;
	readonly generation?: number;
}

export interface ConfigObject<K extends Kind = Kind> {
	readonly kind: K;
	readonly apiVersion: string;
	readonly metadata: ObjectMeta;
	readonly spec: SpecOf[K];
	readonly origin: Origin;
}

/** Any accepted resource, as a union that narrows by `kind`. */
export type AnyObject = { [K in Kind]: ConfigObject<K> }[Kind];

/** `Kind/namespace/name`: identity of a resource across versions of its file. */
export type ObjectKey = string;

export function objectKey(kind: Kind, namespace: string, name: string): ObjectKey {
	return `${kind}/${namespace}/${name}`;
}

export function keyOf(object: AnyObject): ObjectKey {
	return objectKey(object.kind, object.metadata.namespace, object.metadata.name);
}

/** Istio's order everywhere: creation time, then name, then namespace. The first is "the oldest". */
export function byAge(a: { readonly metadata: ObjectMeta }, b: { readonly metadata: ObjectMeta }): number {
	return (
		a.metadata.createdMs - b.metadata.createdMs ||
		compareText(a.metadata.name, b.metadata.name) ||
		compareText(a.metadata.namespace, b.metadata.namespace)
	);
}

/** Order by code unit: the same on every machine, unlike localeCompare. */
export function compareText(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
