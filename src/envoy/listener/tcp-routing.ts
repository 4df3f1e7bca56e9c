// A port that is not HTTP, and the rules for its host -> where its connections go: by SNI, by address, or all of them.
// Istio: VirtualService tls[] and tcp[]; without a rule, the service itself.

import type { ServicePort } from "../../model/service.ts";
import type { RoutingRule, ServiceView } from "../../model/view.ts";
import { policyForPort } from "../cluster/effective-policy.ts";
import { msFromText } from "../duration.ts";
import { outboundClusterName } from "../names.ts";
import { existingCluster, type ServicesByHost, weightedDestinations } from "./destination-cluster.ts";
import type { ChainMatch } from "./filter-chains.ts";
import type { TcpProxyOptions } from "./tcp-proxy.ts";

export interface TcpBranch {
	readonly match: ChainMatch;
	readonly proxy: TcpProxyOptions;
}

export interface TcpRouting {
	/** In order of precedence. */
	readonly branches: readonly TcpBranch[];
	/** For connections that no branch matches. */
	readonly otherwise: TcpProxyOptions;
	/** True when a rule's `tls` part decides: the service's own name is then no SNI match by itself. */
	readonly bySni: boolean;
}

export function tcpRouting(
	view: ServiceView,
	port: ServicePort,
	rules: readonly RoutingRule[],
	services: ServicesByHost,
): TcpRouting {
	const limits = connectionLimits(view, port);
	const branches: TcpBranch[] = [];
	let otherwise: TcpProxyOptions | undefined;
	let bySni = false;
	for (const rule of rules) {
		const proxyTo = (routes: Parameters<typeof weightedDestinations>[1]): TcpProxyOptions => {
			const clusters = weightedDestinations(services, routes, port.number);
			const [, namespace = "", name = ""] = rule.source.split("/");
			return { clusters, ...(clusters.length > 1 && { statPrefix: `${name}.${namespace}` }), ...limits };
		};
		for (const route of rule.tls) {
			if (!route.route?.length) continue;
			for (const match of route.match) {
				if (match.port !== undefined && match.port !== port.number) continue;
				bySni = true;
				branches.push({
					match: {
						serverNames: match.sniHosts,
						transport: "tls",
						...(match.destinationSubnets?.length && { ranges: match.destinationSubnets }),
					},
					proxy: proxyTo(route.route),
				});
			}
		}
		for (const route of rule.tcp) {
			if (!route.route?.length || otherwise) continue;
			for (const match of route.match?.length ? route.match : [{}]) {
				if (match.port !== undefined && match.port !== port.number) continue;
				const ranges = match.destinationSubnets ?? [];
				if (ranges.length === 0 && match.sourceSubnet === undefined) {
					otherwise = proxyTo(route.route);
					break;
				}
				branches.push({
					match: {
						...(ranges.length > 0 && { ranges }),
						...(match.sourceSubnet !== undefined && { sourceRanges: [match.sourceSubnet] }),
					},
					proxy: proxyTo(route.route),
				});
			}
		}
	}
	const name = outboundClusterName(port.number, "", view.service.hostname);
	const own = [{ name: existingCluster(view, name, services.role), weight: 1 }];
	return { branches, otherwise: otherwise ?? { clusters: own, ...limits }, bySni };
}

/** Rules whose hosts meet the service's, those that name it exactly first. Give only rules with a tls or tcp part. */
export function rulesForHost(rules: readonly RoutingRule[], hostname: string): readonly RoutingRule[] {
	const exact: RoutingRule[] = [];
	const wide: RoutingRule[] = [];
	for (const rule of rules) {
		if (rule.hosts.includes(hostname)) exact.push(rule);
		else if (rule.hosts.some((host) => hostsMeet(host, hostname))) wide.push(rule);
	}
	return [...exact, ...wide];
}

/** True when some name is covered by both, `*.example.com` and `www.example.com`. */
export function hostsMeet(a: string, b: string): boolean {
	if (a === b || a === "*" || b === "*") return true;
	const wildA = a.startsWith("*");
	const wildB = b.startsWith("*");
	if (wildA && wildB) return a.slice(1).endsWith(b.slice(1)) || b.slice(1).endsWith(a.slice(1));
	if (wildA) return b.endsWith(a.slice(1));
	return wildB && a.endsWith(b.slice(1));
}

function connectionLimits(view: ServiceView, port: ServicePort): Omit<TcpProxyOptions, "clusters"> {
	const policy = policyForPort(view.destination?.trafficPolicy, port.number);
	const idleTimeoutMs = msFromText(policy?.connectionPool?.tcp?.idleTimeout);
	const maxConnectionDurationMs = msFromText(policy?.connectionPool?.tcp?.maxConnectionDuration);
	return {
		...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
		...(maxConnectionDurationMs !== undefined && { maxConnectionDurationMs }),
		...(policy?.loadBalancer?.consistentHash?.useSourceIp === true && { hashSourceIp: true }),
	};
}
