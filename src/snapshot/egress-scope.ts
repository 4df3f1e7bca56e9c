// What a Sidecar's egress lets its workloads see. Hosts are `namespace/host`: `.` own, `*` any, `~` none; `~namespace/host`
// takes away again. A listener with a port brings in that port only.

import type { MeshService, ServicePort } from "../model/service.ts";
import type { SidecarSpec } from "../resources/kinds/networking.ts";
import { commonHost, fullHostname, hostWithin } from "./hostname.ts";
import type { PreparedVirtualService } from "./virtual-service-index.ts";

interface HostPattern {
	/** `*` or a name. */
	readonly namespace: string;
	readonly host: string;
}

export interface EgressListener {
	readonly port?: number;
	readonly include: readonly HostPattern[];
	readonly exclude: readonly HostPattern[];
}

export type EgressScope = readonly EgressListener[];

/** Undefined: no egress is written, so everything visible is in scope. */
export function egressScopeOf(
	egress: SidecarSpec["egress"],
	namespace: string,
	domainSuffix: string,
): EgressScope | undefined {
	if (egress === undefined || egress.length === 0) return undefined;
	return egress.map((listener) => {
		const number = listener.port?.number;
		return { ...egressListener(listener.hosts, namespace, domainSuffix), ...(number ? { port: number } : {}) };
	});
}

export function egressListener(hosts: readonly string[], namespace: string, domainSuffix: string): EgressListener {
	const include: HostPattern[] = [];
	const exclude: HostPattern[] = [];
	for (const text of hosts) {
		const slash = text.indexOf("/");
		const owner = slash < 0 ? "*" : text.slice(0, slash);
		const host = text.slice(slash + 1);
		if (owner === "~") continue;
		const named = owner.startsWith("~") ? owner.slice(1) : owner;
		const resolved = named === "." ? namespace : named;
		const full = fullHostname(host.toLowerCase(), resolved === "*" ? namespace : resolved, domainSuffix);
		(owner.startsWith("~") ? exclude : include).push({ namespace: resolved, host: full });
	}
	return { include, exclude };
}

/** Ports of the service that the scope brings in: all, some or (undefined) none. */
export function portsInScope(scope: EgressScope, service: MeshService): readonly ServicePort[] | undefined {
	const fits = (pattern: HostPattern) =>
		namespaceFits(pattern, service.namespace) && hostWithin(service.hostname, pattern.host);
	const listeners = scope.filter((listener) => listener.include.some(fits) && !listener.exclude.some(fits));
	if (listeners.length === 0) return undefined;
	if (listeners.some((listener) => listener.port === undefined)) return service.ports;
	const ports = service.ports.filter((port) => listeners.some((listener) => listener.port === port.number));
	return ports.length === 0 ? undefined : ports;
}

export function isRuleInScope(scope: EgressScope, rule: PreparedVirtualService): boolean {
	return scope.some(({ include, exclude }) => {
		const brought = (host: string) =>
			include.some((one) => namespaceFits(one, rule.namespace) && commonHost(host, one.host) !== undefined) &&
			!exclude.some((one) => namespaceFits(one, rule.namespace) && hostWithin(host, one.host));
		return rule.hosts.some(brought);
	});
}

function namespaceFits(pattern: HostPattern, namespace: string): boolean {
	return pattern.namespace === "*" || pattern.namespace === namespace;
}
