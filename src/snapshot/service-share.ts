// What one resource (a Kubernetes Service, one host of a ServiceEntry) says about a service. Several may share a service:
// ServiceEntries of one namespace with the same host are joined.

import type { MeshSettings } from "../model/mesh-settings.ts";
import type { Discovery, MeshService, ServicePort } from "../model/service.ts";
import { serviceKey } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import { fullHostname, isWildcard } from "./hostname.ts";
import { protocolNamed, protocolOfServicePort } from "./protocol-selection.ts";
import { resolveExportTo } from "./visibility.ts";

export type ServiceObject = ConfigObject<"Service"> | ConfigObject<"ServiceEntry">;

export interface ServiceShare {
	readonly object: ServiceObject;
	/** Addresses are the declared ones. */
	readonly service: MeshService;
	/** True where clients need a virtual address and the resource names none. */
	readonly wantsAddress: boolean;
}

type Settings = Pick<MeshSettings, "domainSuffix" | "serviceExportTo">;

/** Annotation of Services with the words of exportTo, separated by commas. */
export const exportToAnnotation = "networking.istio.io/exportTo";

export function sharesOf(object: ServiceObject, settings: Settings): readonly ServiceShare[] {
	return object.kind === "Service" ? [shareOfService(object, settings)] : sharesOfServiceEntry(object, settings);
}

function shareOfService(object: ConfigObject<"Service">, settings: Settings): ServiceShare {
	const { metadata, spec } = object;
	const { name, namespace } = metadata;
	const hostname = fullHostname(name, namespace, settings.domainSuffix);
	const external = spec.type === "ExternalName";
	const headless = !external && spec.clusterIP === "None";
	const addresses = external ? [] : declaredClusterIps(spec.clusterIPs, spec.clusterIP);
	const ports = kubernetesPorts(object);
	const exportTo = metadata.annotations[exportToAnnotation]?.split(",").map((entry) => entry.trim());
	const service: MeshService = {
		key: serviceKey(hostname, namespace),
		hostname,
		namespace,
		name,
		registry: "kubernetes",
		source: keyOf(object),
		createdMs: metadata.createdMs,
		discovery: external ? "dns" : headless ? "passthrough" : "endpoints",
		headless,
		meshExternal: external,
		addresses,
		allocated: false,
		ports,
		exportTo: resolveExportTo(exportTo, settings.serviceExportTo, namespace),
		...(spec.selector === undefined || external ? {} : { selector: spec.selector }),
		labels: metadata.labels,
		subjectAltNames: [],
		...trafficDistribution(
			spec.trafficDistribution ?? metadata.annotations["networking.istio.io/traffic-distribution"],
		),
	};
	return { object, service, wantsAddress: addresses.length === 0 && !headless && ports.length > 0 };
}

function sharesOfServiceEntry(object: ConfigObject<"ServiceEntry">, settings: Settings): readonly ServiceShare[] {
	const { metadata, spec } = object;
	const discovery = discoveryOf(spec.resolution);
	const ports = serviceEntryPorts(object);
	const addresses = spec.addresses ?? [];
	return (spec.hosts ?? []).map((host) => ({
		object,
		service: {
			key: serviceKey(host, metadata.namespace),
			hostname: host,
			namespace: metadata.namespace,
			name: metadata.name,
			registry: "serviceEntry" as const,
			source: keyOf(object),
			createdMs: metadata.createdMs,
			discovery,
			headless: false,
			meshExternal: spec.location !== "MESH_INTERNAL",
			addresses,
			allocated: false,
			ports,
			exportTo: resolveExportTo(spec.exportTo, settings.serviceExportTo, metadata.namespace),
			...(spec.workloadSelector?.labels === undefined ? {} : { selector: spec.workloadSelector.labels }),
			labels: metadata.labels,
			subjectAltNames: spec.subjectAltNames ?? [],
			...trafficDistribution(metadata.annotations["networking.istio.io/traffic-distribution"]),
		},
		// Without resolution the proxy connects to where the client meant to go, which an invented address would hide.
		wantsAddress: addresses.length === 0 && !isWildcard(host) && discovery !== "passthrough" && ports.length > 0,
	}));
}

function discoveryOf(resolution: ConfigObject<"ServiceEntry">["spec"]["resolution"]): Discovery {
	switch (resolution) {
		case "STATIC":
			return "endpoints";
		case "DNS":
			return "dns";
		case "DNS_ROUND_ROBIN":
			return "dnsRoundRobin";
		case "DYNAMIC_DNS":
			return "dynamicDns";
		default:
			return "passthrough";
	}
}

function kubernetesPorts(object: ConfigObject<"Service">): readonly ServicePort[] {
	return (object.spec.ports ?? [])
		.map((port) => ({
			number: port.port,
			name: port.name ?? "",
			protocol: protocolOfServicePort(port),
			...(port.targetPort === undefined || port.targetPort === 0 || port.targetPort === ""
				? {}
				: { targetPort: port.targetPort }),
		}))
		.filter((port) => port.protocol !== "UDP");
}

function serviceEntryPorts(object: ConfigObject<"ServiceEntry">): readonly ServicePort[] {
	return (object.spec.ports ?? [])
		.map((port) => ({
			number: port.number,
			name: port.name ?? "",
			protocol: protocolNamed(port.protocol ?? "") ?? ("AUTO" as const),
			...(port.targetPort === undefined || port.targetPort === 0 ? {} : { targetPort: port.targetPort }),
		}))
		.filter((port) => port.protocol !== "UDP");
}

function declaredClusterIps(all: readonly string[] | undefined, first: string | undefined): readonly string[] {
	const list = all !== undefined && all.length > 0 ? all : first === undefined ? [] : [first];
	return list.filter((address) => address !== "" && address !== "None");
}

function trafficDistribution(value: string | undefined): { readonly trafficDistribution?: string } {
	return value === undefined ? {} : { trafficDistribution: value };
}
