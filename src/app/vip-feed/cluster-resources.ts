// The mesh's own kinds that are followed for virtual IPs.

import type { ApiResource } from "../../kubernetes/client/resource-path.ts";

const own = (plural: string, kind: string, namespaced: boolean): ApiResource => ({
	group: "keepmesh.io",
	version: "v1alpha1",
	plural,
	kind,
	namespaced,
});

export const virtualIps = own("virtualips", "VirtualIP", true);
export const virtualIpPools = own("virtualippools", "VirtualIPPool", false);
