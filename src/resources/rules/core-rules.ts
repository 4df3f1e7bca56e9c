// Kubernetes' Service, EndpointSlice and Deployment: what the API server would refuse and the mesh relies on.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { isIpAddress, isKubernetesLabel } from "./host-rules.ts";
import { checkLabels } from "./label-rules.ts";
import { checkServiceTraffic } from "./service-traffic-rules.ts";

export function checkService(object: ConfigObject<"Service">, findings: Findings): void {
	const { spec } = object;
	const ports = spec.ports ?? [];
	const names = new Set<string>();
	const numbers = new Set<string>();
	for (const [index, port] of ports.entries()) {
		const path = ["spec", "ports", index];
		const name = port.name ?? "";
		if (name === "" && ports.length > 1)
			findings.error([...path, "name"], "the port has no name, and there are several", "add name: http, tcp, ...");
		if (name !== "" && !isKubernetesLabel(name))
			findings.error(
				[...path, "name"],
				`${JSON.stringify(name)} is not a name of a port`,
				"use lower-case letters, digits and -",
			);
		if (name !== "" && names.has(name))
			findings.error([...path, "name"], `two ports are named ${JSON.stringify(name)}`, "rename one");
		const key = `${port.protocol ?? "TCP"} ${port.port}`;
		if (numbers.has(key)) findings.error([...path, "port"], `${key} is there twice`, "remove one");
		names.add(name);
		numbers.add(key);
		if (typeof port.targetPort === "number" && (port.targetPort < 1 || port.targetPort > 65535))
			findings.error([...path, "targetPort"], `must be a port number from 1 to 65535, found ${port.targetPort}`, "");
	}
	checkLabels(spec.selector, ["spec", "selector"], findings);
	if (spec.type === "ExternalName" && !spec.externalName)
		findings.error(["spec", "externalName"], "externalName is missing", "name the outside host");
	if (ports.length === 0 && spec.type !== "ExternalName" && spec.clusterIP !== "None")
		findings.error(["spec", "ports"], "has no ports", "add at least one port");
	for (const field of ["clusterIPs", "externalIPs"] as const)
		for (const [index, address] of (spec[field] ?? []).entries())
			if (!isIpAddress(address) && !(field === "clusterIPs" && address === "None"))
				findings.error(["spec", field, index], `${JSON.stringify(address)} is not an address`, "");
	if (spec.clusterIP && spec.clusterIP !== "None" && !isIpAddress(spec.clusterIP))
		findings.error(
			["spec", "clusterIP"],
			`${JSON.stringify(spec.clusterIP)} is not an address`,
			"remove it, or write None for a headless service",
		);
	checkServiceTraffic(object, findings);
}

export function checkEndpointSlice(object: ConfigObject<"EndpointSlice">, findings: Findings): void {
	const { addressType, endpoints } = object.spec;
	if (!object.metadata.labels["kubernetes.io/service-name"])
		findings.warning(["metadata", "labels"], "belongs to no service", "add the label kubernetes.io/service-name");
	const names = new Set<string>();
	for (const [index, { name = "" }] of object.spec.ports.entries()) {
		if (names.has(name))
			findings.error(["ports", index, "name"], `two ports are named ${JSON.stringify(name)}`, "rename one");
		names.add(name);
	}
	if (addressType === "FQDN") return;
	for (const [index, endpoint] of endpoints.entries())
		for (const [addressIndex, address] of endpoint.addresses.entries())
			if (!isIpAddress(address) || address.includes(":") !== (addressType === "IPv6"))
				findings.error(
					["endpoints", index, "addresses", addressIndex],
					`${JSON.stringify(address)} is not an ${addressType} address`,
					"",
				);
}

export function checkDeployment(object: ConfigObject<"Deployment">, findings: Findings): void {
	const wanted = object.spec.selector?.matchLabels ?? {};
	const labels = object.spec.template.metadata?.labels ?? {};
	for (const [key, value] of Object.entries(wanted))
		if (labels[key] !== value)
			findings.error(
				["spec", "selector", "matchLabels", key],
				`the pods of the template do not have ${key}=${value}`,
				"make template.metadata.labels match the selector",
			);
}
