// Views for tests, with the fields that do not matter filled in.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Endpoint, ServiceEndpoints } from "../model/endpoint.ts";
import { defaultMeshSettings } from "../model/mesh-settings.ts";
import { type MeshService, type Protocol, type ServicePort, serviceKey } from "../model/service.ts";
import type {
	DestinationPolicy,
	EndpointsView,
	GatewayServerView,
	GatewayView,
	OutboundView,
	RoutingRule,
	ServiceView,
} from "../model/view.ts";
import type { HttpRoute } from "../resources/kinds/networking.ts";
import type { EncodedResource } from "../xds/resource.ts";

export function decoded<Desc extends DescMessage>(
	schema: Desc,
	resource: EncodedResource | undefined,
): MessageShape<Desc> {
	if (resource === undefined) throw new Error("no such resource");
	const message = anyUnpack(fromBinary(AnySchema, resource.any), schema);
	if (message === undefined) throw new Error(`${resource.name} is no ${schema.typeName}`);
	return message;
}

export function named(resources: readonly EncodedResource[], name: string): EncodedResource | undefined {
	return resources.find((resource) => resource.name === name);
}

export function port(number: number, protocol: Protocol = "HTTP"): ServicePort {
	return { number, name: `${protocol.toLowerCase()}-${number}`, protocol };
}

/** `name.namespace.svc.cluster.local` when the name has no dots, else that host itself. */
export function service(name: string, fields: Partial<MeshService> = {}): MeshService {
	const namespace = fields.namespace ?? "default";
	const hostname = name.includes(".") ? name : `${name}.${namespace}.svc.cluster.local`;
	return {
		key: serviceKey(hostname, namespace),
		hostname,
		namespace,
		name,
		registry: "kubernetes",
		source: `Service/${namespace}/${name}`,
		createdMs: 0,
		discovery: "endpoints",
		headless: false,
		meshExternal: false,
		addresses: ["10.96.0.1"],
		allocated: false,
		ports: [port(9080)],
		exportTo: ["*"],
		labels: {},
		subjectAltNames: [],
		...fields,
	};
}

export function serviceView(
	name: string,
	fields: Partial<MeshService> = {},
	destination?: Partial<DestinationPolicy>,
): ServiceView {
	const ofService = service(name, fields);
	return {
		service: ofService,
		...(destination && {
			destination: { sources: [`DestinationRule/${ofService.namespace}/${name}`], subsets: [], ...destination },
		}),
	};
}

export function outboundView(
	services: readonly ServiceView[],
	rules: readonly RoutingRule[] = [],
	fields: Partial<OutboundView> = {},
): OutboundView {
	return {
		namespace: "default",
		mesh: defaultMeshSettings,
		services,
		rules,
		outboundTrafficPolicy: "ALLOW_ANY",
		...fields,
	};
}

export function rule(hosts: readonly string[], http: readonly HttpRoute[], name = "rule"): RoutingRule {
	return { source: `VirtualService/default/${name}`, hosts, http, tls: [], tcp: [] };
}

export function gatewayView(servers: readonly GatewayServerView[], services: readonly ServiceView[] = []): GatewayView {
	return {
		namespace: "istio-system",
		mesh: defaultMeshSettings,
		listeners: [{ bind: "0.0.0.0", port: 8080, transport: "plain", servers }],
		services,
	};
}

export function endpoint(address: string, fields: Partial<Endpoint> = {}): Endpoint {
	return {
		address,
		port: 9080,
		labels: {},
		weight: 1,
		health: "healthy",
		locality: { region: "", zone: "", subzone: "" },
		network: "",
		clusterId: "Kubernetes",
		namespace: "default",
		workload: "reviews-v1",
		serviceAccount: "bookinfo-reviews",
		tlsMode: "disabled",
		...fields,
	};
}

export function endpointsOf(view: ServiceView, endpoints: readonly Endpoint[]): ServiceEndpoints {
	return { service: view.service.key, byPort: new Map(view.service.ports.map(({ number }) => [number, endpoints])) };
}

export function endpointsView(all: readonly ServiceEndpoints[], fields: Partial<EndpointsView> = {}): EndpointsView {
	return {
		byService: new Map(all.map((one) => [one.service, one])),
		locality: { region: "", zone: "", subzone: "" },
		network: "",
		clusterId: "Kubernetes",
		...fields,
	};
}
