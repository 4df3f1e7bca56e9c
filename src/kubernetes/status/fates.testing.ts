// For tests: what became of a resource, with little to write.

import type { FateResource, ResourceFate } from "./resource-fate.ts";

export const virtualServices: FateResource = {
	group: "networking.istio.io",
	version: "v1",
	kind: "VirtualService",
	plural: "virtualservices",
	namespaced: true,
};

export function aFate(name = "reviews", change: Partial<ResourceFate> = {}): ResourceFate {
	return {
		resource: virtualServices,
		namespace: "shop",
		name,
		uid: `uid-${name}`,
		generation: 1,
		accepted: true,
		problems: [],
		...change,
	};
}

export function proxies(
	applied: number,
	concerned: number,
	more: Partial<NonNullable<ResourceFate["proxies"]>> = {},
): Pick<ResourceFate, "proxies"> {
	return { proxies: { concerned, applied, withheld: 0, rejected: [], ...more } };
}
