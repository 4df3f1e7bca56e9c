// Objects of the tests with two revisions of the mesh: workloads that choose their revision by a label of their own, or by their
// namespace's.

/** Without it a Pod is ready before its program listens, and a rolling update ends the old one at that moment. */
const readinessProbe = { httpGet: { path: "/health", port: 9080 }, periodSeconds: 1 };

/** There is one of it, and a program that closes at once would leave nobody for those who hear of its successor a moment later. */
const lifecycle = { preStop: { sleep: { seconds: 5 } } };

/** A Deployment and its Service on port 9080, with mutual TLS alone. `revision`: of its pods' label; absent: the namespace says it. */
export function workload(
	name: string,
	{ image, namespace, revision }: { readonly image: string; readonly namespace: string; readonly revision?: string },
): readonly object[] {
	const labels = { app: name };
	const metadata = { name, namespace };
	const own = revision === undefined ? {} : { "istio.io/rev": revision };
	return [
		{
			apiVersion: "apps/v1",
			kind: "Deployment",
			metadata,
			spec: {
				replicas: 1,
				selector: { matchLabels: labels },
				strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
				template: {
					metadata: { labels: { ...labels, ...own } },
					spec: { containers: [{ name: "app", image, ports: [{ containerPort: 9080 }], readinessProbe, lifecycle }] },
				},
			},
		},
		{
			apiVersion: "v1",
			kind: "Service",
			metadata,
			spec: { selector: labels, ports: [{ name: "http", port: 9080 }] },
		},
	];
}

export const strictIn = (namespace: string): object => ({
	apiVersion: "security.istio.io/v1",
	kind: "PeerAuthentication",
	metadata: { name: "default", namespace },
	spec: { mtls: { mode: "STRICT" } },
});
