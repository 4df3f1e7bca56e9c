// Endpoints of a DNS service -> the load assignment inside its cluster, whose addresses Envoy resolves.

import type { Endpoint } from "../../model/endpoint.ts";
import type { ServiceView } from "../../model/view.ts";
import { hasLabels, type ServiceCluster } from "../cluster/service-clusters.ts";
import type { ClusterLoadAssignmentSchema } from "../gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import type { MessageFields } from "../message-fields.ts";

type LoadAssignmentFields = MessageFields<typeof ClusterLoadAssignmentSchema>;

/** Undefined when no endpoint is left. LOGICAL_DNS takes exactly one endpoint: the first. */
export function dnsLoadAssignment(view: ServiceView, cluster: ServiceCluster): LoadAssignmentFields | undefined {
	const all = view.endpoints?.byPort.get(cluster.port.number) ?? [];
	const chosen = all.filter((endpoint) => hasLabels(endpoint.labels, cluster.subset?.labels));
	const endpoints = cluster.discovery === "dnsRoundRobin" ? chosen.slice(0, 1) : chosen;
	if (endpoints.length === 0) return undefined;
	const byLocality = Map.groupBy(
		endpoints,
		({ locality }) => `${locality.region}/${locality.zone}/${locality.subzone}`,
	);
	return {
		clusterName: cluster.name,
		endpoints: [...byLocality.entries()]
			.sort(([a], [b]) => (a < b ? -1 : 1))
			.map(([, members]) => ({
				locality: localityOf(members[0]),
				loadBalancingWeight: members.reduce((sum, member) => sum + member.weight, 0),
				lbEndpoints: members.map((member) => ({
					hostIdentifier: {
						case: "endpoint" as const,
						value: {
							address: {
								address: {
									case: "socketAddress" as const,
									value: {
										address: member.address,
										portSpecifier: { case: "portValue" as const, value: member.port },
									},
								},
							},
						},
					},
					loadBalancingWeight: member.weight,
					...(member.tlsMode === "istio" && {
						metadata: { filterMetadata: { "envoy.transport_socket_match": { tlsMode: "istio" } } },
					}),
				})),
			})),
	};
}

function localityOf(endpoint: Endpoint | undefined) {
	if (endpoint === undefined) return undefined;
	const { region, zone, subzone } = endpoint.locality;
	return { region, zone, subZone: subzone };
}
