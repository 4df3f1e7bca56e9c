// SPIFFE ids of workloads, in Istio's shape: spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT, and those of the mesh's
// own parts, in a shape that no workload can have: spiffe://TRUST-DOMAIN/keepmesh/node/NAME and .../keepmesh/control/NAME.

export interface SpiffeId {
	readonly trustDomain: string;
	readonly namespace: string;
	readonly serviceAccount: string;
}

/** A machine's agent, or a control plane. */
export interface PartId {
	readonly trustDomain: string;
	readonly part: "node" | "control";
	readonly name: string;
}

const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;
const dnsLabelPattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

export function renderSpiffeId(id: SpiffeId): string {
	return `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Undefined for anything but exactly that shape with Kubernetes names in it. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
	const parts = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(text);
	const [, trustDomain = "", namespace = "", serviceAccount = ""] = parts ?? [];
	const good =
		trustDomainPattern.test(trustDomain) && dnsLabelPattern.test(namespace) && dnsLabelPattern.test(serviceAccount);
	return good ? { trustDomain, namespace, serviceAccount } : undefined;
}

export function renderPartId(id: PartId): string {
	return `spiffe://${id.trustDomain}/keepmesh/${id.part}/${id.name}`;
}

export function parsePartId(text: string): PartId | undefined {
	const parts = /^spiffe:\/\/([^/]+)\/keepmesh\/(node|control)\/([^/]+)$/.exec(text);
	const [, trustDomain = "", part, name = ""] = parts ?? [];
	if (part !== "node" && part !== "control") return undefined;
	return trustDomainPattern.test(trustDomain) && dnsLabelPattern.test(name) ? { trustDomain, part, name } : undefined;
}

/** Whom a certificate can be for: a workload, or a part of the mesh itself. */
export type Identity = SpiffeId | PartId;

export function renderIdentity(identity: Identity): string {
	return "part" in identity ? renderPartId(identity) : renderSpiffeId(identity);
}

export function parseIdentity(text: string): Identity | undefined {
	return parseSpiffeId(text) ?? parsePartId(text);
}
