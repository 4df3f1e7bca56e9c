// SPIFFE ids of workloads, in Istio's shape: spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT.

export interface SpiffeId {
	readonly trustDomain: string;
	readonly namespace: string;
	readonly serviceAccount: string;
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
