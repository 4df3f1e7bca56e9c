// Which kinds of an API server the mesh reads: those that every server has, and of those that somebody installed (Istio's and
// Keepmesh's) the version that is read, if it is served.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import type { ApiResource } from "../../kubernetes/client/resource-path.ts";
import type { Kind } from "../../resources/config-object.ts";
import { lookUpKind } from "../../resources/kind-table.ts";

export interface WatchedKind {
	readonly kind: Kind;
	readonly resource: ApiResource;
}

export const coreKinds: readonly WatchedKind[] = [
	core("Namespace", "namespaces", "", false),
	core("Service", "services"),
	core("EndpointSlice", "endpointslices", "discovery.k8s.io"),
	core("Pod", "pods"),
];

export const secretResource: ApiResource = core("Secret", "secrets").resource;

export const customKinds: ApiResource = {
	group: "apiextensions.k8s.io",
	version: "v1",
	plural: "customresourcedefinitions",
	kind: "CustomResourceDefinition",
	namespaced: false,
};

interface DefinitionSpec {
	readonly group: string;
	readonly scope: string;
	readonly names: { readonly plural: string; readonly kind: string };
	readonly versions: readonly { readonly name: string; readonly served: boolean }[];
}

const groups = /(?:^|\.)istio\.io$|^keepmesh\.io$/;

/** Undefined: the mesh reads no such kind, or not in a version that is served, or the server does not serve it yet. */
export function watchedKindOf(definition: RawObject): WatchedKind | undefined {
	const { group, names, scope, versions } = definition.spec as DefinitionSpec;
	if (!groups.test(group) || !isEstablished(definition)) return undefined;
	const served = versions.filter((version) => version.served).map(({ name }) => `${group}/${name}`);
	const [first = ""] = served;
	const found = lookUpKind(first, names.kind);
	if (found.type !== "known" && found.type !== "wrongVersion") return undefined;
	// In the order in which Keepmesh prefers them.
	const chosen = found.info.apiVersions.find((apiVersion) => served.includes(apiVersion));
	if (chosen === undefined) return undefined;
	const version = chosen.slice(chosen.indexOf("/") + 1);
	const { kind, plural } = names;
	return { kind: found.info.kind, resource: { group, version, plural, kind, namespaced: scope === "Namespaced" } };
}

function isEstablished({ status }: RawObject): boolean {
	const { conditions } = (status ?? {}) as { readonly conditions?: readonly { type: string; status: string }[] };
	return conditions?.some(({ status: is, type }) => type === "Established" && is === "True") ?? false;
}

function core(kind: Kind, plural: string, group = "", namespaced = true): WatchedKind {
	return { kind, resource: { group, version: "v1", plural, kind, namespaced } };
}
