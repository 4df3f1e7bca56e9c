// Filters are the same on every chain of every workload that the same policies guard: each set is made once, for as long as
// its policies and its mesh settings are the same objects.

import type { MeshSettings } from "../../model/mesh-settings.ts";

export function rememberedForPolicies<Policies extends object, Filters>(
	make: (policies: Policies, mesh: MeshSettings) => Filters,
): (policies: Policies, mesh: MeshSettings) => Filters {
	const known = new WeakMap<Policies, WeakMap<MeshSettings, { readonly filters: Filters }>>();
	return (policies, mesh) => {
		const ofPolicies = known.get(policies) ?? new WeakMap<MeshSettings, { readonly filters: Filters }>();
		known.set(policies, ofPolicies);
		const made = ofPolicies.get(mesh) ?? { filters: make(policies, mesh) };
		ofPolicies.set(mesh, made);
		return made.filters;
	};
}
