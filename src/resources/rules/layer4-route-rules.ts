// TLS and TCP routes of a VirtualService.

import type { Findings, Path } from "../findings.ts";
import type { TcpRoute, TlsRoute, VirtualServiceSpec } from "../kinds/networking.ts";
import { checkWildcardHost } from "./check-host.ts";
import { checkWeights } from "./destination-rules.ts";
import { checkGatewayNames } from "./gateway-name-rules.ts";
import { hostCovers, isIpAddress, isSubnet } from "./host-rules.ts";
import { checkLabels } from "./label-rules.ts";

export function checkTlsRoute(route: TlsRoute, path: Path, spec: VirtualServiceSpec, findings: Findings): void {
	if (route.match.length === 0)
		findings.error([...path, "match"], "a TLS route needs a match", "add match with sniHosts");
	for (const [index, match] of route.match.entries()) {
		const at = [...path, "match", index];
		if (match.sniHosts.length === 0) findings.error([...at, "sniHosts"], "is empty", "name at least one host");
		for (const [hostIndex, host] of match.sniHosts.entries())
			checkSniHost(host, [...at, "sniHosts", hostIndex], spec, findings);
		checkLayer4Match(match, at, findings);
	}
	checkTargets(route.route, path, findings);
}

export function checkTcpRoute(route: TcpRoute, path: Path, findings: Findings): void {
	for (const [index, match] of (route.match ?? []).entries())
		checkLayer4Match(match, [...path, "match", index], findings);
	checkTargets(route.route, path, findings);
}

function checkTargets(route: TcpRoute["route"], path: Path, findings: Findings): void {
	if (!route?.length) findings.error(path, "leads nowhere", "add route with a destination");
	checkWeights(route ?? [], [...path, "route"], findings);
}

function checkSniHost(host: string, path: Path, spec: VirtualServiceSpec, findings: Findings): void {
	// Names that proxies of the mesh use among themselves at an east-west gateway.
	const generated = host.startsWith("outbound_.");
	if (isIpAddress(host)) {
		findings.warning(path, `${host} is an address: clients do not send addresses as SNI`, "use a host name");
		return;
	}
	if (!generated && !checkWildcardHost(host, path, findings)) return;
	const hosts = spec.hosts ?? [];
	if (!hosts.some((covering) => hostCovers(covering, host)))
		findings.error(
			path,
			`${JSON.stringify(host)} is not covered by the hosts of this VirtualService (${hosts.join(", ")})`,
			"add it to spec.hosts",
		);
}

function checkLayer4Match(
	match: NonNullable<TcpRoute["match"]>[number] | TlsRoute["match"][number],
	path: Path,
	findings: Findings,
): void {
	for (const [index, subnet] of (match.destinationSubnets ?? []).entries())
		checkSubnet(subnet, [...path, "destinationSubnets", index], findings);
	if ("sourceSubnet" in match && match.sourceSubnet)
		checkSubnet(match.sourceSubnet, [...path, "sourceSubnet"], findings);
	checkLabels(match.sourceLabels, [...path, "sourceLabels"], findings);
	checkGatewayNames(match.gateways, [...path, "gateways"], findings);
}

export function checkSubnet(subnet: string, path: Path, findings: Findings): void {
	if (!isSubnet(subnet))
		findings.error(
			path,
			`${JSON.stringify(subnet)} is not an address or block of addresses`,
			"for example 10.1.2.3 or 10.0.0.0/8",
		);
}
