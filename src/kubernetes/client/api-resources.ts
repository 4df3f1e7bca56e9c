// Kubernetes' own kinds that Keepmesh reads or writes, as its API has them.

import type { ApiResource } from "./resource-path.ts";

export const pods = core("pods", "Pod");
export const services = core("services", "Service");
export const secrets = core("secrets", "Secret");
export const configMaps = core("configmaps", "ConfigMap");
export const events = core("events", "Event");
export const nodes: ApiResource = { ...core("nodes", "Node"), namespaced: false };
export const namespaces: ApiResource = { ...core("namespaces", "Namespace"), namespaced: false };
export const endpointSlices: ApiResource = { ...core("endpointslices", "EndpointSlice"), group: "discovery.k8s.io" };
export const leases: ApiResource = { ...core("leases", "Lease"), group: "coordination.k8s.io" };
export const daemonSets: ApiResource = { ...core("daemonsets", "DaemonSet"), group: "apps" };

function core(plural: string, kind: string): ApiResource {
	return { group: "", version: "v1", plural, kind, namespaced: true };
}
