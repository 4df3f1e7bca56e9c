// VirtualService: hosts, gateways and the rules of its routes.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import type { VirtualServiceSpec } from "../kinds/networking.ts";
import { checkWildcardHost } from "./check-host.ts";
import { checkExportTo } from "./export-to-rules.ts";
import { checkGatewayNames } from "./gateway-name-rules.ts";
import { hostCovers } from "./host-rules.ts";
import { checkHttpRoute } from "./http-route-rules.ts";
import { checkTcpRoute, checkTlsRoute } from "./layer4-route-rules.ts";
import { checkUnreachable } from "./unreachable-rules.ts";

export function checkVirtualService(object: ConfigObject<"VirtualService">, findings: Findings): void {
	const { spec } = object;
	const { http = [], tls = [], tcp = [], gateways = [] } = spec;
	const isDelegate = (spec.hosts ?? []).length === 0;
	const forGateway = gateways.length > 0 && !gateways.includes("mesh");
	if (isDelegate) checkDelegate(spec, findings);
	checkGatewayNames(gateways, ["spec", "gateways"], findings);
	checkHosts(spec.hosts ?? [], forGateway, findings);
	if (http.length + tls.length + tcp.length === 0) findings.error(["spec"], "has no routes", "add http, tls or tcp");
	for (const [index, route] of http.entries())
		checkHttpRoute(route, ["spec", "http", index], { isDelegate, forGateway }, findings);
	for (const [index, route] of tls.entries()) checkTlsRoute(route, ["spec", "tls", index], spec, findings);
	for (const [index, route] of tcp.entries()) checkTcpRoute(route, ["spec", "tcp", index], findings);
	checkExportTo(object, spec.exportTo, findings);
	checkUnreachable(spec, findings);
}

/** Without hosts it is a part of other VirtualServices, and has HTTP routes only. */
function checkDelegate(spec: VirtualServiceSpec, findings: Findings): void {
	for (const field of ["gateways", "tls", "tcp"] as const)
		if (spec[field]?.length)
			findings.error(
				["spec", field],
				`a VirtualService without hosts is a delegate, which has no ${field}`,
				`add hosts, or remove ${field}`,
			);
}

function checkHosts(hosts: readonly string[], forGateway: boolean, findings: Findings): void {
	let allGood = true;
	for (const [index, host] of hosts.entries()) {
		const path = ["spec", "hosts", index];
		if (!isGeneratedHost(host, forGateway) && !checkWildcardHost(host, path, findings, true)) allGood = false;
		else if (host === "*" && !forGateway) {
			findings.error(path, '"*" is not allowed for the mesh', "name hosts, or bind it to a Gateway with gateways");
			allGood = false;
		}
	}
	if (allGood) checkRepeatedHosts(hosts, findings);
}

function isGeneratedHost(host: string, forGateway: boolean): boolean {
	return forGateway && host.startsWith("outbound_.");
}

/** `*.com` and `a.com` in one VirtualService count as repeated. */
function checkRepeatedHosts(hosts: readonly string[], findings: Findings): void {
	const seen = new Set<string>();
	const wildcards = hosts.filter((host) => host.startsWith("*"));
	for (const [index, host] of hosts.entries()) {
		const other = seen.has(host) ? host : wildcards.find((wildcard) => wildcard !== host && hostCovers(wildcard, host));
		if (other !== undefined)
			findings.error(
				["spec", "hosts", index],
				`${JSON.stringify(host)} is covered by ${JSON.stringify(other)} already`,
				"remove one of them",
			);
		seen.add(host);
	}
}
