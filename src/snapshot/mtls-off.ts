// Which workloads do not take mutual TLS, and on which ports: what clients must know of their servers' PeerAuthentications.

import type { Endpoint, ServiceEndpoints } from "../model/endpoint.ts";
import { mtlsOnPort, type WorkloadMtls } from "../model/security.ts";
import type { ServiceKey } from "../model/service.ts";
import { mtlsOf } from "./peer-mtls.ts";
import type { PolicyIndex } from "./policy-index.ts";

type Labels = Readonly<Record<string, string>>;

export type MtlsOff = (namespace: string, labels: Labels, targetPort: number) => boolean;

/** Undefined while no policy turns it off anywhere. Remembers what it said of a workload, so make one for each change. */
export function mtlsOff(policies: PolicyIndex): MtlsOff | undefined {
	if (!policies.mayDisable) return undefined;
	const known = new WeakMap<Labels, Map<string, WorkloadMtls>>();
	return (namespace, labels, targetPort) => {
		const ofLabels = known.get(labels) ?? new Map<string, WorkloadMtls>();
		known.set(labels, ofLabels);
		const mtls = ofLabels.get(namespace) ?? mtlsOf(policies, namespace, labels);
		ofLabels.set(namespace, mtls);
		return mtlsOnPort(mtls, targetPort) === "DISABLE";
	};
}

/** Services with an endpoint of which the policies now say something else. */
export function servicesWithOtherMtls(
	byService: ReadonlyMap<ServiceKey, ServiceEndpoints>,
	before: PolicyIndex,
	after: PolicyIndex,
	off = mtlsOff(after),
): ReadonlySet<ServiceKey> {
	const found = new Set<ServiceKey>();
	if (samePeers(before, after)) return found;
	const wasOff = mtlsOff(before);
	if (wasOff === undefined && off === undefined) return found;
	const differs = ({ namespace, labels, port }: Endpoint): boolean =>
		(wasOff?.(namespace, labels, port) ?? false) !== (off?.(namespace, labels, port) ?? false);
	for (const [key, { byPort }] of byService)
		for (const endpoints of byPort.values()) if (endpoints.some(differs)) found.add(key);
	return found;
}

function samePeers(a: PolicyIndex, b: PolicyIndex): boolean {
	if (a === b) return true;
	if (a.rootNamespace !== b.rootNamespace) return false;
	const peersOf = (index: PolicyIndex, namespace: string) => index.byNamespace.get(namespace)?.peers ?? none;
	const namespaces = new Set([...a.byNamespace.keys(), ...b.byNamespace.keys()]);
	return [...namespaces].every((namespace) => peersOf(a, namespace) === peersOf(b, namespace));
}

const none: readonly never[] = [];
