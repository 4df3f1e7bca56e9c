// The fields of a Service that layer 4 reads, beyond its ports: an error for what the API server would refuse, a warning for what
// does nothing where it stands.

import { nftablesSchedulers, schedulerNames } from "../../l4/scheduler.ts";
import { backendAnnotation, layer4Backends, schedulerAnnotation } from "../../l4/services/annotations.ts";
import { askedAddressesAnnotation } from "../../l4/services/asked-addresses.ts";
import { unallocatedOf, unallocatedText } from "../../l4/services/unallocated.ts";
import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import type { ServiceSpec } from "../kinds/core.ts";
import { nearestName } from "../text/nearest-name.ts";
import { isIpAddress, isSubnet } from "./host-rules.ts";

export function checkServiceTraffic(object: ConfigObject<"Service">, findings: Findings): void {
	const { spec } = object;
	checkClusterAddresses(spec, findings);
	checkNodePorts(spec, findings);
	warnOfUnallocated(object, findings);
	checkIngress(spec, findings);
	checkSourceRanges(spec, findings);
	warnOfIdleFields(spec, findings);
	checkAnnotations(object.metadata.annotations, findings);
}

type Family = "IPv4" | "IPv6";

const familyOf = (address: string): Family => (address.includes(":") ? "IPv6" : "IPv4");

function checkClusterAddresses(spec: ServiceSpec, findings: Findings): void {
	const { clusterIP, clusterIPs = [], ipFamilies = [] } = spec;
	if (clusterIP && clusterIPs[0] !== undefined && clusterIPs[0] !== clusterIP)
		findings.error(["spec", "clusterIPs", 0], `is not clusterIP ${clusterIP}`, "make the two the same");
	const seen = new Set<Family>();
	for (const [index, address] of clusterIPs.entries()) {
		const path = ["spec", "clusterIPs", index];
		if (address === "None") {
			if (clusterIPs.length > 1) findings.error(path, "None stands beside addresses", "write one or the other");
			continue;
		}
		const family = familyOf(address);
		if (seen.has(family))
			findings.error(path, `is a second address of ${family}`, "give one of each family at the most");
		seen.add(family);
		const wanted = ipFamilies[index];
		if (wanted !== undefined && wanted !== family)
			findings.error(path, `must be of ${wanted}, as ipFamilies says`, "put the two lists into one order");
	}
	if (ipFamilies.length === 2 && ipFamilies[0] === ipFamilies[1])
		findings.error(["spec", "ipFamilies", 1], `${ipFamilies[1]} is there twice`, "remove one");
}

function checkNodePorts(spec: ServiceSpec, findings: Findings): void {
	const seen = new Set<string>();
	for (const [index, { nodePort = 0, protocol = "TCP" }] of (spec.ports ?? []).entries()) {
		if (nodePort === 0) continue;
		const path = ["spec", "ports", index, "nodePort"];
		if (seen.has(`${protocol} ${nodePort}`))
			findings.error(path, `${protocol} ${nodePort} is there twice`, "give each port its own");
		seen.add(`${protocol} ${nodePort}`);
		if (spec.type !== "NodePort" && spec.type !== "LoadBalancer")
			findings.warning(path, `is answered though the type is ${spec.type ?? "ClusterIP"}`, "write type: NodePort");
	}
}

/** A load balancer's node ports are between it and the nodes: only layer 4 itself says that they are missing. */
function warnOfUnallocated(object: ConfigObject<"Service">, findings: Findings): void {
	for (const kind of unallocatedOf(object)) {
		if (kind === "nodePort" && object.spec.type === "LoadBalancer") continue;
		const { message, hint } = unallocatedText[kind];
		findings.warning(["spec", kind === "nodePort" ? "type" : "ipFamilyPolicy"], message, hint);
	}
}

function checkIngress(spec: ServiceSpec, findings: Findings): void {
	for (const [index, { ip }] of (spec.status?.loadBalancer?.ingress ?? []).entries())
		if (ip && !isIpAddress(ip))
			findings.error(
				["status", "loadBalancer", "ingress", index, "ip"],
				`${JSON.stringify(ip)} is not an address`,
				"write a name under hostname",
			);
}

function checkSourceRanges(spec: ServiceSpec, findings: Findings): void {
	const texts = (spec.loadBalancerSourceRanges ?? []).map((text) => text.trim());
	if (texts.length === 0) return;
	const path = ["spec", "loadBalancerSourceRanges"];
	for (const [index, text] of texts.entries())
		if (!text.includes("/") || !isSubnet(text))
			findings.error([...path, index], `${JSON.stringify(text)} is not a range`, "write it like 198.51.100.0/24");
	if (spec.type !== "LoadBalancer") {
		findings.warning(
			path,
			`does nothing for type ${spec.type ?? "ClusterIP"}`,
			"node ports and others are open to all",
		);
		return;
	}
	const closed = new Set(texts.map(familyOf));
	for (const { ip = "", ipMode = "VIP" } of spec.status?.loadBalancer?.ingress ?? [])
		if (ip !== "" && ipMode === "VIP" && !closed.has(familyOf(ip)))
			findings.warning(path, `has no range of ${familyOf(ip)}: everybody may come to ${ip}`, "add one of that family");
}

const distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];

function warnOfIdleFields(spec: ServiceSpec, findings: Findings): void {
	const { type = "ClusterIP", externalTrafficPolicy, healthCheckNodePort, sessionAffinity, trafficDistribution } = spec;
	const isBalanced = type === "LoadBalancer";
	const isExternal = isBalanced || type === "NodePort" || (spec.externalIPs ?? []).length > 0;
	const idle = (field: keyof ServiceSpec, why: string, hint: string): void =>
		findings.warning(["spec", field], `does nothing: ${why}`, hint);
	if (externalTrafficPolicy === "Local" && !isExternal)
		idle("externalTrafficPolicy", "the Service has only cluster addresses", "internalTrafficPolicy is for those");
	if (healthCheckNodePort && !(isBalanced && externalTrafficPolicy === "Local"))
		idle("healthCheckNodePort", "it is for LoadBalancer with externalTrafficPolicy Local", "remove it");
	if (spec.sessionAffinityConfig?.clientIP && sessionAffinity !== "ClientIP")
		idle("sessionAffinityConfig", "there is no session affinity", "write sessionAffinity: ClientIP");
	for (const field of ["loadBalancerIP", "loadBalancerClass"] as const)
		if (spec[field] && !isBalanced) idle(field, `the type is ${type}`, "write type: LoadBalancer");
	if (spec.loadBalancerIP && !isIpAddress(spec.loadBalancerIP))
		idle("loadBalancerIP", `${JSON.stringify(spec.loadBalancerIP)} is no address`, "write one, without a length");
	if (trafficDistribution && !distributions.includes(trafficDistribution)) {
		const near = nearestName(trafficDistribution, distributions);
		const known = distributions.join(", ");
		idle("trafficDistribution", `${trafficDistribution} is none of ${known}`, near ? `did you mean ${near}?` : "");
	}
}

function checkAnnotations(annotations: Readonly<Record<string, string>>, findings: Findings): void {
	const scheduler = annotations[schedulerAnnotation];
	const backend = annotations[backendAnnotation];
	warnOfUnknown(schedulerAnnotation, scheduler, schedulerNames, findings);
	for (const text of (annotations[askedAddressesAnnotation] ?? "").split(","))
		if (text.trim() !== "" && !isIpAddress(text.trim()))
			findings.warning(
				["metadata", "annotations", askedAddressesAnnotation],
				`${JSON.stringify(text.trim())} is no address: it is passed over`,
				"write addresses without a length, with commas between",
			);
	warnOfUnknown(backendAnnotation, backend, layer4Backends, findings);
	const needsIpvs = schedulerNames.some((name) => name === scheduler && !nftablesSchedulers.includes(name));
	if (needsIpvs && backend === "nftables")
		findings.warning(
			["metadata", "annotations", schedulerAnnotation],
			`${scheduler} counts connections, which nftables cannot`,
			`use one of ${nftablesSchedulers.join(", ")}, or ${backendAnnotation}: ipvs`,
		);
}

function warnOfUnknown(key: string, value: string | undefined, known: readonly string[], findings: Findings): void {
	if (value === undefined || known.includes(value)) return;
	const near = nearestName(value, known);
	findings.warning(
		["metadata", "annotations", key],
		`${JSON.stringify(value)} is unknown: the node's own is taken`,
		near ? `did you mean ${near}?` : `use one of ${known.join(", ")}`,
	);
}
