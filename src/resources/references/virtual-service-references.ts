// What VirtualServices refer to: Gateways, destination hosts, their ports and subsets, delegates.
// Istio's IST0101 (missing), IST0112 (port needed), IST0132 (host not at the Gateway).

import type { ConfigObject } from "../config-object.ts";
import type { Path } from "../findings.ts";
import type { Destination } from "../kinds/networking.ts";
import { hostsOverlap } from "../rules/host-rules.ts";
import { nearestName } from "../text/nearest-name.ts";
import { fullHost, isVisible, type KnownHost, type MeshIndex, wildcardsOver } from "./mesh-index.ts";
import type { Report } from "./report.ts";

type VirtualService = ConfigObject<"VirtualService">;

export function checkVirtualServiceReferences(index: MeshIndex, report: Report): void {
	const subsets = subsetsByHost(index);
	for (const rule of index.of("VirtualService")) {
		checkGateways(rule, index, report);
		checkDelegates(rule, index, report);
		for (const { destination, path } of destinationsOf(rule))
			checkDestination(rule, destination, path, { index, subsets, report });
	}
}

function* destinationsOf(rule: VirtualService): Generator<{ readonly destination: Destination; readonly path: Path }> {
	for (const kind of ["http", "tls", "tcp"] as const)
		for (const [index, route] of (rule.spec[kind] ?? []).entries()) {
			for (const [entry, { destination }] of (route.route ?? []).entries())
				yield { destination, path: ["spec", kind, index, "route", entry, "destination"] };
			if (!("mirror" in route || "mirrors" in route)) continue;
			if (route.mirror) yield { destination: route.mirror, path: ["spec", kind, index, "mirror"] };
			for (const [entry, { destination }] of (route.mirrors ?? []).entries())
				yield { destination, path: ["spec", kind, index, "mirrors", entry, "destination"] };
		}
}

interface Subsets {
	readonly namespace: string;
	readonly exportTo: readonly string[];
	readonly names: readonly string[];
}

function subsetsByHost(index: MeshIndex): ReadonlyMap<string, readonly Subsets[]> {
	const byHost = new Map<string, Subsets[]>();
	for (const { metadata, spec } of index.of("DestinationRule")) {
		const host = fullHost(spec.host ?? "", metadata.namespace);
		const entry = {
			namespace: metadata.namespace,
			exportTo: spec.exportTo?.length ? spec.exportTo : ["*"],
			names: (spec.subsets ?? []).map((subset) => subset.name),
		};
		byHost.set(host, [...(byHost.get(host) ?? []), entry]);
	}
	return byHost;
}

interface Context {
	readonly index: MeshIndex;
	readonly subsets: ReadonlyMap<string, readonly Subsets[]>;
	readonly report: Report;
}

function checkDestination(rule: VirtualService, destination: Destination, path: Path, context: Context): void {
	const { namespace } = rule.metadata;
	const host = fullHost(destination.host, namespace);
	const [known] = context.index.lookUp(host, namespace);
	if (!known) {
		const hint = missingHostHint(destination.host, host, context.index);
		context.report("error", "IST0101", rule, [...path, "host"], `there is no service ${host}`, hint);
		return;
	}
	checkPort(rule, destination, path, known, context.report);
	if (destination.subset === undefined) return;
	const names = [host, ...wildcardsOver(host)]
		.flatMap((name) => context.subsets.get(name) ?? [])
		.filter((entry) => isVisible(entry.exportTo, entry.namespace, namespace))
		.flatMap((entry) => entry.names);
	if (names.includes(destination.subset)) return;
	const hint =
		names.length > 0
			? `its subsets are ${[...new Set(names)].join(", ")}`
			: `add a DestinationRule for ${host} with this subset`;
	context.report(
		"error",
		"IST0101",
		rule,
		[...path, "subset"],
		`no DestinationRule gives ${host} a subset ${destination.subset}`,
		hint,
	);
}

function missingHostHint(written: string, host: string, index: MeshIndex): string {
	const near = nearestName(host, index.hosts.keys());
	if (near !== undefined) return `did you mean ${near}?`;
	return written.includes(".")
		? "add a Service or a ServiceEntry for it"
		: "short names mean a service of the own namespace: write the full name of others";
}

function checkPort(rule: VirtualService, destination: Destination, path: Path, known: KnownHost, report: Report): void {
	const number = destination.port?.number;
	if (number !== undefined && known.ports.length > 0 && !known.ports.includes(number))
		report(
			"error",
			"IST0101",
			rule,
			[...path, "port", "number"],
			`${destination.host} has no port ${number}`,
			`its ports are ${known.ports.join(", ")}`,
		);
	if (number === undefined && known.ports.length > 1)
		report(
			"error",
			"IST0112",
			rule,
			path,
			`${destination.host} has several ports (${known.ports.join(", ")}): which one is meant?`,
			`add port: { number: ${known.ports[0]} }`,
		);
}

function checkGateways(rule: VirtualService, index: MeshIndex, report: Report): void {
	const named = (rule.spec.gateways ?? []).map((name, at) => ({ name, path: ["spec", "gateways", at] as Path }));
	for (const kind of ["http", "tls", "tcp"] as const)
		for (const [at, route] of (rule.spec[kind] ?? []).entries())
			for (const [matchAt, match] of (route.match ?? []).entries())
				for (const [nameAt, name] of (match.gateways ?? []).entries())
					named.push({ name, path: ["spec", kind, at, "match", matchAt, "gateways", nameAt] });
	for (const { name, path } of named) {
		if (name === "mesh") continue;
		const { namespace, gatewayName } = splitGatewayName(name, rule.metadata.namespace);
		const gateway = index.find("Gateway", namespace, gatewayName);
		if (!gateway)
			report(
				"error",
				"IST0101",
				rule,
				path,
				`there is no Gateway ${namespace}/${gatewayName}`,
				"write NAMESPACE/NAME for a Gateway of another namespace",
			);
		else if (path.length === 3) checkGatewayHosts(rule, gateway, path, report);
	}
}

export function splitGatewayName(
	name: string,
	ownNamespace: string,
): { readonly namespace: string; readonly gatewayName: string } {
	const [first = "", second] = name.split("/");
	if (second !== undefined) return { namespace: first, gatewayName: second };
	// The old form: name.namespace.svc.cluster.local
	const [gatewayName = "", namespace] = name.split(".");
	return { namespace: namespace ?? ownNamespace, gatewayName };
}

function checkGatewayHosts(rule: VirtualService, gateway: ConfigObject<"Gateway">, path: Path, report: Report): void {
	const served = (gateway.spec.servers ?? []).flatMap((server) => server.hosts);
	const allowed = served.flatMap((host) => {
		const slash = host.indexOf("/");
		if (slash < 0) return [host];
		const namespace = host.slice(0, slash) === "." ? gateway.metadata.namespace : host.slice(0, slash);
		return namespace === "*" || namespace === rule.metadata.namespace ? [host.slice(slash + 1)] : [];
	});
	const missing = (rule.spec.hosts ?? []).filter(
		(host) => !allowed.some((other) => hostsOverlap(other, fullHost(host, rule.metadata.namespace)) || other === host),
	);
	if (missing.length === 0) return;
	const gatewayName = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
	report(
		"warning",
		"IST0132",
		rule,
		path,
		`Gateway ${gatewayName} does not serve ${missing.join(", ")} for this namespace`,
		`it serves ${served.slice(0, 5).join(", ")}`,
	);
}

function checkDelegates(rule: VirtualService, index: MeshIndex, report: Report): void {
	for (const [at, { delegate }] of (rule.spec.http ?? []).entries()) {
		if (!delegate) continue;
		const path = ["spec", "http", at, "delegate"];
		const namespace = delegate.namespace || rule.metadata.namespace;
		const target = index.find("VirtualService", namespace, delegate.name ?? "");
		if (!target)
			report(
				"error",
				"IST0101",
				rule,
				path,
				`there is no VirtualService ${namespace}/${delegate.name ?? ""}`,
				"name a VirtualService without hosts",
			);
		else if (target.spec.hosts?.length)
			report(
				"error",
				"IST0101",
				rule,
				path,
				`VirtualService ${namespace}/${delegate.name} has hosts: it is no delegate`,
				"remove its hosts",
			);
	}
}
