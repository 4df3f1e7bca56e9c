// An xDS node (id and metadata in Istio's form) -> the proxy it stands for. Metadata comes from outside: fields of a wrong
// type or size count as absent, and nothing here throws.

import type { Locality } from "../model/endpoint.ts";
import type { Proxy as MeshProxy } from "../model/proxy.ts";
import { localityOfLabels } from "./workload-facts.ts";

export interface XdsNode {
	/** `sidecar~10.1.0.5~reviews-v1-abc.default~default.svc.cluster.local` */
	readonly id: string;
	/** A JSON object, from Envoy's Struct. */
	readonly metadata: unknown;
	readonly locality?: Partial<Locality>;
}

const longestId = 1024;
const longestText = 512;
const mostLabels = 256;
const mostAddresses = 16;

export function proxyFromNode(
	node: XdsNode,
): { readonly ok: true; readonly proxy: MeshProxy } | { readonly ok: false; readonly because: string } {
	if (node.id.length > longestId) return refused(`the node id is longer than ${longestId} characters`);
	const parts = node.id.split("~");
	const [type = "", address = "", nameAndNamespace = "", dnsDomain = ""] = parts;
	if (parts.length !== 4) return refused(`node id "${node.id}" is not TYPE~ADDRESS~NAME.NAMESPACE~DOMAIN`);
	if (type !== "sidecar" && type !== "router") return refused(`node type "${type}" is neither sidecar nor router`);
	const metadata = asFields(node.metadata);
	const dot = nameAndNamespace.lastIndexOf(".");
	const namespace = text(metadata, "NAMESPACE") ?? (dot < 0 ? "" : nameAndNamespace.slice(dot + 1));
	if (namespace === "") return refused(`node id "${node.id}" names no namespace, and the metadata has no NAMESPACE`);
	const ipAddresses = addressesFrom(metadata, address);
	if (ipAddresses.length === 0)
		return refused(`node id "${node.id}" has no IP address, and the metadata no INSTANCE_IPS`);
	const labels = labelsFrom(metadata.LABELS);
	const proxy: MeshProxy = {
		id: node.id,
		type,
		proxyless: text(metadata, "GENERATOR") === "grpc",
		ipAddresses,
		name: text(metadata, "NAME") ?? (dot < 0 ? nameAndNamespace : nameAndNamespace.slice(0, dot)),
		namespace,
		dnsDomain,
		clusterId: text(metadata, "CLUSTER_ID") ?? "Kubernetes",
		network: text(metadata, "NETWORK") ?? labels["topology.istio.io/network"] ?? "",
		labels,
		serviceAccount: text(metadata, "SERVICE_ACCOUNT") ?? "",
		locality: localityFrom(node.locality, labels),
		workloadCertificate: text(metadata, "KEEPMESH_SDS") === "true",
		interceptionMode: interceptionMode(text(metadata, "INTERCEPTION_MODE")),
	};
	return { ok: true, proxy };
}

type Fields = Readonly<Record<string, unknown>>;

function refused(because: string) {
	return { ok: false, because: because.slice(0, longestText) } as const;
}

function asFields(value: unknown): Fields {
	return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function text(fields: Fields, name: string): string | undefined {
	const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
	return typeof value === "string" && value !== "" && value.length <= longestText ? value : undefined;
}

/** INSTANCE_IPS (`10.1.0.5,fd00::5`) with the id's own address first, if it is one. */
function addressesFrom(metadata: Fields, address: string): readonly string[] {
	const listed = (text(metadata, "INSTANCE_IPS") ?? "").split(",").map((one) => one.trim());
	return [...new Set([address, ...listed])].filter(isIpAddress).slice(0, mostAddresses);
}

function isIpAddress(value: string): boolean {
	const v4 = /^(?:\d{1,3})(?:\.\d{1,3}){3}$/.test(value) && value.split(".").every((part) => Number(part) <= 255);
	return v4 || (value.includes(":") && /^[0-9a-fA-F:.]{2,45}$/.test(value));
}

function labelsFrom(value: unknown): Readonly<Record<string, string>> {
	const labels: [string, string][] = [];
	for (const [key, label] of Object.entries(asFields(value))) {
		if (labels.length >= mostLabels) break;
		if (typeof label === "string" && label.length <= longestText && key.length <= longestText)
			labels.push([key, label]);
	}
	// fromEntries defines own fields, so a label named __proto__ stays a label.
	return Object.fromEntries(labels.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function localityFrom(locality: Partial<Locality> | undefined, labels: Readonly<Record<string, string>>): Locality {
	const { region = "", zone = "", subzone = "" } = locality ?? {};
	return region === "" && zone === "" && subzone === ""
		? localityOfLabels(labels, undefined)
		: { region, zone, subzone };
}

function interceptionMode(value: string | undefined): MeshProxy["interceptionMode"] {
	return value === "TPROXY" || value === "NONE" ? value : "REDIRECT";
}
