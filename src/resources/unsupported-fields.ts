// Fields that are accepted and do nothing yet: using one is a warning, so that nothing is ignored in silence.
// Take a line out when a generator learns the field.

import type { AnyObject, Kind } from "./config-object.ts";
import type { Findings } from "./findings.ts";
import { otherProviders } from "./shapes/extension-provider-shape.ts";

/** Kind -> paths; `[]` stands for every entry of a list. */
const unsupportedFields: Readonly<Partial<Record<Kind, readonly string[]>>> = {
	VirtualService: ["spec.http[].match[].statPrefix", "spec.http[].mirror_percent"],
	DestinationRule: [
		...trafficPolicyFields("spec.trafficPolicy"),
		...trafficPolicyFields("spec.subsets[].trafficPolicy"),
		...portPolicyFields("spec.trafficPolicy.portLevelSettings[]"),
		...portPolicyFields("spec.subsets[].trafficPolicy.portLevelSettings[]"),
	],
	Gateway: [
		"spec.servers[].defaultEndpoint",
		"spec.servers[].tls.verifyCertificateSpki",
		"spec.servers[].tls.verifyCertificateHash",
	],
	Sidecar: [
		"spec.egress[].port",
		"spec.egress[].bind",
		"spec.egress[].captureMode",
		"spec.ingress[].tls",
		"spec.outboundTrafficPolicy.egressProxy",
	],
	MeshConfig: [
		"spec.meshMTLS.cipherSuites",
		"spec.meshMTLS.ecdhCurves",
		...otherProviders.map((provider) => `spec.extensionProviders[].${provider}`),
	],
};

function trafficPolicyFields(path: string): readonly string[] {
	return [...["tunnel", "proxyProtocol", "retryBudget"].map((field) => `${path}.${field}`), ...portPolicyFields(path)];
}

function portPolicyFields(path: string): readonly string[] {
	return [`${path}.loadBalancer.zoneAwareLbSetting`, `${path}.connectionPool.http.http2KeepAlive`];
}

/** The same paths, cut into their keys once. */
const paths = new Map(
	Object.entries(unsupportedFields).map(([kind, fields]) => [
		kind,
		fields.map((field) => field.replaceAll("[]", ".[]").split(".")),
	]),
);

export function warnOfUnsupportedFields(object: AnyObject, findings: Findings): void {
	for (const keys of paths.get(object.kind) ?? []) find(object, keys, 0, [], findings);
	warnOfUnixSockets(object, findings);
}

function find(
	value: unknown,
	keys: readonly string[],
	depth: number,
	path: (string | number)[],
	findings: Findings,
): void {
	if (typeof value !== "object" || value === null) return;
	const key = keys[depth] ?? "";
	if (key === "[]") {
		if (!Array.isArray(value)) return;
		for (const [index, item] of value.entries()) find(item, keys, depth + 1, [...path, index], findings);
		return;
	}
	const next = (value as Readonly<Record<string, unknown>>)[key];
	if (next === undefined) return;
	if (depth < keys.length - 1) find(next, keys, depth + 1, [...path, key], findings);
	else warn([...path, key], key, findings);
}

function warn(path: readonly (string | number)[], what: string, findings: Findings): void {
	findings.warning(path, `${what} is accepted but has no effect yet`, "the rest of the resource is in force");
}

function warnOfUnixSockets(object: AnyObject, findings: Findings): void {
	if (object.kind === "Sidecar")
		for (const [index, listener] of (object.spec.ingress ?? []).entries())
			if (isSocket(listener.defaultEndpoint))
				warn(["spec", "ingress", index, "defaultEndpoint"], "a Unix socket", findings);
	if (object.kind === "Gateway")
		for (const [index, server] of (object.spec.servers ?? []).entries())
			if (isSocket(server.bind)) warn(["spec", "servers", index, "bind"], "a Unix socket", findings);
}

function isSocket(address: string | undefined): boolean {
	return address?.startsWith("unix://") ?? false;
}
