// Builders for tests: a resource, a service, a proxy or a view in one line, with only the fields that the test is about.

import type { AnyObject, ConfigObject, Kind, ObjectMeta, SpecOf } from "../resources/config-object.ts";
import { keyOf, objectKey } from "../resources/config-object.ts";
import type { EndpointSliceSpec, PodSpec, ServiceSpec, SliceEndpoint } from "../resources/kinds/core.ts";
import type { MeshConfigSpec } from "../resources/kinds/keepmesh.ts";
import type {
	DestinationRuleSpec,
	GatewaySpec,
	ServiceEntrySpec,
	SidecarSpec,
	VirtualServiceSpec,
	WorkloadEntrySpec,
} from "../resources/kinds/networking.ts";
import type {
	AuthorizationPolicySpec,
	PeerAuthenticationSpec,
	RequestAuthenticationSpec,
} from "../resources/kinds/security.ts";
import type { Change } from "../snapshot/change.ts";
import type { Endpoint, ServiceEndpoints } from "./endpoint.ts";
import { defaultMeshSettings } from "./mesh-settings.ts";
import type { Proxy as MeshProxy } from "./proxy.ts";
import type { MeshService, ServicePort } from "./service.ts";
import { serviceKey } from "./service.ts";
import type { InboundView, OutboundView, RoutingRule, ServiceView } from "./view.ts";

export type MetaOptions = Partial<Omit<ObjectMeta, "name">>;

export function anObject<K extends Kind>(kind: K, name: string, spec: SpecOf[K], meta: MetaOptions = {}) {
	return {
		kind,
		apiVersion: "v1",
		metadata: {
			name,
			namespace: meta.namespace ?? (kind === "Namespace" ? "" : "default"),
			labels: meta.labels ?? {},
			annotations: meta.annotations ?? {},
			createdMs: meta.createdMs ?? 0,
			...(meta.deletedMs === undefined ? {} : { deletedMs: meta.deletedMs }),
		},
		spec,
		origin: { file: "test.yaml", line: 1, column: 1 },
	} satisfies ConfigObject<K>;
}

/** Port 9080 `http` and selector `app: NAME` unless the spec says otherwise; a virtual address only if the spec has one. */
export function aService(name: string, spec: ServiceSpec = {}, meta: MetaOptions = {}): ConfigObject<"Service"> {
	return anObject("Service", name, { ports: [{ name: "http", port: 9080 }], selector: { app: name }, ...spec }, meta);
}

/** Endpoints of a Service: addresses that are ready, or whole slice endpoints. */
export function anEndpointSlice(
	service: string,
	endpoints: readonly (string | SliceEndpoint)[],
	ports: EndpointSliceSpec["ports"] = [{ name: "http", port: 9080 }],
	meta: MetaOptions & { readonly name?: string } = {},
): ConfigObject<"EndpointSlice"> {
	const spec: EndpointSliceSpec = {
		addressType: "IPv4",
		endpoints: endpoints.map((one) => (typeof one === "string" ? { addresses: [one] } : one)),
		ports,
	};
	return anObject("EndpointSlice", meta.name ?? `${service}-slice`, spec, {
		...meta,
		labels: { "kubernetes.io/service-name": service, ...meta.labels },
	});
}

/** A Ready pod with label `app: NAME up to the first dash`, its proxy speaking the mesh's mutual TLS. */
export function aPod(name: string, podIP: string, spec: PodSpec = {}, meta: MetaOptions = {}): ConfigObject<"Pod"> {
	const status = { podIP, phase: "Running", conditions: [{ type: "Ready", status: "True" }], ...spec.status };
	const labels = { app: name.split("-")[0] ?? name, "security.istio.io/tlsMode": "istio", ...meta.labels };
	return anObject("Pod", name, { serviceAccountName: "default", ...spec, status }, { ...meta, labels });
}

export function aVirtualService(name: string, spec: VirtualServiceSpec, meta: MetaOptions = {}) {
	return anObject("VirtualService", name, spec, meta);
}

export function aDestinationRule(name: string, spec: DestinationRuleSpec, meta: MetaOptions = {}) {
	return anObject("DestinationRule", name, spec, meta);
}

export function aGateway(name: string, spec: GatewaySpec, meta: MetaOptions = {}) {
	return anObject("Gateway", name, spec, meta);
}

export function aServiceEntry(name: string, spec: ServiceEntrySpec, meta: MetaOptions = {}) {
	return anObject("ServiceEntry", name, spec, meta);
}

export function aWorkloadEntry(name: string, spec: WorkloadEntrySpec, meta: MetaOptions = {}) {
	return anObject("WorkloadEntry", name, spec, meta);
}

export function aSidecar(name: string, spec: SidecarSpec, meta: MetaOptions = {}) {
	return anObject("Sidecar", name, spec, meta);
}

export function aPeerAuthentication(name: string, spec: PeerAuthenticationSpec, meta: MetaOptions = {}) {
	return anObject("PeerAuthentication", name, spec, meta);
}

export function anAuthorizationPolicy(name: string, spec: AuthorizationPolicySpec = {}, meta: MetaOptions = {}) {
	return anObject("AuthorizationPolicy", name, spec, meta);
}

export function aRequestAuthentication(name: string, spec: RequestAuthenticationSpec, meta: MetaOptions = {}) {
	return anObject("RequestAuthentication", name, spec, meta);
}

export function aSecret(name: string, data: Readonly<Record<string, string>>, meta: MetaOptions = {}) {
	return anObject("Secret", name, { data }, meta);
}

export function aMeshConfig(spec: MeshConfigSpec, meta: MetaOptions = {}) {
	return anObject("MeshConfig", "default", spec, { namespace: "istio-system", ...meta });
}

export function aNamespace(name: string, meta: MetaOptions = {}) {
	return anObject("Namespace", name, {}, meta);
}

export function applied(...objects: readonly AnyObject[]): readonly Change[] {
	return objects.map((object) => ({ type: "objectApplied", object }));
}

export function removed(...objects: readonly AnyObject[]): readonly Change[] {
	return objects.map((object) => ({ type: "objectRemoved", key: keyOf(object) }));
}

/** A sidecar of `NAME` in `default` with label `app: NAME up to the first dash`. */
export function aProxy(name = "client", overrides: Partial<MeshProxy> = {}): MeshProxy {
	const namespace = overrides.namespace ?? "default";
	const type = overrides.type ?? "sidecar";
	const address = overrides.ipAddresses?.[0] ?? "10.9.9.9";
	const dnsDomain = `${namespace}.svc.cluster.local`;
	return {
		id: `${type}~${address}~${name}.${namespace}~${dnsDomain}`,
		type,
		proxyless: false,
		ipAddresses: [address],
		name,
		namespace,
		dnsDomain,
		clusterId: "Kubernetes",
		network: "",
		labels: { app: name.split("-")[0] ?? name },
		serviceAccount: "default",
		locality: { region: "", zone: "", subzone: "" },
		workloadCertificate: false,
		interceptionMode: "REDIRECT",
		...overrides,
	};
}

/** A Kubernetes service `NAME.default.svc.cluster.local` at 10.96.0.1, port 9080 HTTP. */
export function aMeshService(name = "reviews", overrides: Partial<MeshService> = {}): MeshService {
	const namespace = overrides.namespace ?? "default";
	const hostname = overrides.hostname ?? `${name}.${namespace}.svc.cluster.local`;
	return {
		key: serviceKey(hostname, namespace),
		hostname,
		namespace,
		name,
		registry: "kubernetes",
		source: objectKey("Service", namespace, name),
		createdMs: 0,
		discovery: "endpoints",
		headless: false,
		meshExternal: false,
		addresses: ["10.96.0.1"],
		allocated: false,
		ports: [aServicePort()],
		exportTo: ["*"],
		selector: { app: name },
		labels: {},
		subjectAltNames: [],
		...overrides,
	};
}

export function aServicePort(overrides: Partial<ServicePort> = {}): ServicePort {
	return { number: 9080, name: "http", protocol: "HTTP", ...overrides };
}

export function anEndpoint(address = "10.1.0.1", overrides: Partial<Endpoint> = {}): Endpoint {
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
		workload: "",
		serviceAccount: "default",
		tlsMode: "disabled",
		...overrides,
	};
}

/** The same endpoints, on each of the service's ports. */
export function endpointsOf(service: MeshService, ...endpoints: readonly Endpoint[]): ServiceEndpoints {
	return { service: service.key, byPort: new Map(service.ports.map((port) => [port.number, endpoints])) };
}

export function aServiceView(service: MeshService = aMeshService(), rest: Omit<ServiceView, "service"> = {}) {
	return { service, ...rest } satisfies ServiceView;
}

export function aRoutingRule(name: string, rule: Partial<RoutingRule> = {}): RoutingRule {
	const source = objectKey("VirtualService", "default", name);
	return { source, hosts: [`${name}.default.svc.cluster.local`], http: [], tls: [], tcp: [], ...rule };
}

export function anOutboundView(overrides: Partial<OutboundView> = {}): OutboundView {
	return {
		namespace: "default",
		mesh: defaultMeshSettings,
		services: [],
		rules: [],
		outboundTrafficPolicy: "ALLOW_ANY",
		...overrides,
	};
}

export function anInboundView(overrides: Partial<InboundView> = {}): InboundView {
	return {
		mesh: defaultMeshSettings,
		namespace: "default",
		interceptionMode: "REDIRECT",
		addresses: ["10.1.0.1"],
		ports: [],
		...overrides,
	};
}
