// The kinds that drills on a cluster write into their namespace, as the API server has them.

import type { ApiResource } from "../../kubernetes/client/resource-path.ts";

export const serviceAccounts = kind("", "v1", "ServiceAccount", "serviceaccounts");
export const peerAuthentications = kind("security.istio.io", "v1", "PeerAuthentication", "peerauthentications");
export const authorizationPolicies = kind("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies");
export const destinationRules = kind("networking.istio.io", "v1", "DestinationRule", "destinationrules");
export const virtualServices = kind("networking.istio.io", "v1", "VirtualService", "virtualservices");
export const hotSwitches = kind("keepmesh.io", "v1alpha1", "HotSwitch", "hotswitches");

/** As a manifest; its namespace is that of the request. */
export function objectOf({ group, kind, version }: ApiResource, name: string, spec: object = {}): object {
	const isEmpty = Object.keys(spec).length === 0;
	const apiVersion = group === "" ? version : `${group}/${version}`;
	return { apiVersion, kind, metadata: { name }, ...(isEmpty ? {} : { spec }) };
}

function kind(group: string, version: string, name: string, plural: string): ApiResource {
	return { group, version, plural, kind: name, namespaced: true };
}
