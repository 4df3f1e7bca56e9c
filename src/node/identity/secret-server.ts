// SDS beside the pods: serves each local Envoy its own workload certificate, over a Unix socket. Keys stay on this machine.

import { type WorkloadKeyPair, workloadSecrets } from "../../envoy/secret/workload-secrets.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { ProxyConfig } from "../../xds/resource.ts";
import { startXdsServer } from "../../xds/wire/xds-server.ts";

export interface SecretServer {
	/** To be called when a proxy has a new certificate. */
	publish(proxyId: string): void;
	close(): Promise<void>;
}

export interface SecretServerDeps {
	/** Undefined while the proxy has no certificate yet: its Envoy waits. */
	readonly certificateOf: (proxyId: string) => WorkloadKeyPair | undefined;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
}

export async function startSecretServer(socketPath: string, deps: SecretServerDeps): Promise<SecretServer> {
	const remembered = new WeakMap<WorkloadKeyPair, ProxyConfig>();
	const server = await startXdsServer(
		{ listen: { socketPath }, maxStreamAgeMs: 0 },
		{
			...deps,
			source: {
				connect: (node) => ({ ok: true, proxyId: node.id }),
				configFor(proxyId) {
					const certificate = deps.certificateOf(proxyId);
					if (!certificate) return undefined;
					const config = remembered.get(certificate) ?? workloadSecrets(certificate);
					remembered.set(certificate, config);
					return config;
				},
				disconnected() {},
			},
		},
	);
	return { publish: (proxyId) => server.publish([proxyId]), close: () => server.close() };
}
