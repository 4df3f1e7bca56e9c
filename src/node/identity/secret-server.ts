// SDS beside the pods: serves each local Envoy its own workload certificate, over a Unix socket. Keys stay on this machine.
// Says which of them an Envoy uses: that is what an acknowledgement of a trust bundle rests on.

import type { Socket } from "node:net";
import { type WorkloadKeyPair, workloadSecrets } from "../../envoy/secret/workload-secrets.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { findResource } from "../../xds/held.ts";
import { type ProxyConfig, typeUrls } from "../../xds/resource.ts";
import { startXdsServer } from "../../xds/wire/xds-server.ts";

export interface SecretServer {
	/** To be called when a proxy has a new certificate or other roots. */
	publish(proxyId: string): void;
	/** What the proxy's Envoy has of the secrets that it should have now. */
	useOf(proxyId: string): SecretUse;
	/** Serves a connection that was accepted elsewhere, to this one proxy and no other. */
	accept(socket: Socket, proxyId: string): void;
	close(): Promise<void>;
}

export interface SecretUse {
	/** Of those that it asks for. */
	readonly state: "confirmed" | "waiting" | "refused";
	/** Those that no open stream asks for: `default`, `ROOTCA`. */
	readonly unasked: readonly string[];
}

const names = ["default", "ROOTCA"];
/** Of the address of a connection that is for one proxy alone. */
const ownPrefix = "pod ";

export interface SecretServerDeps {
	/** Whether a node id is one of this machine's proxies. */
	readonly admit: (proxyId: string) => boolean;
	/** Undefined while the proxy has no certificate yet: its Envoy waits. */
	readonly keyPairOf: (proxyId: string) => WorkloadKeyPair | undefined;
	/** A proxy has accepted or refused a secret. */
	readonly onAnswered: (proxyId: string) => void;
	readonly clock: Clock;
	readonly log: Log;
}

export async function startSecretServer(socketPath: string, deps: SecretServerDeps): Promise<SecretServer> {
	const made = new Map<string, { readonly pair: WorkloadKeyPair; readonly config: ProxyConfig }>();
	const configFor = (proxyId: string): ProxyConfig | undefined => {
		const pair = deps.keyPairOf(proxyId);
		if (!pair) return undefined;
		const known = made.get(proxyId);
		if (known && isSamePair(known.pair, pair)) return known.config;
		const config = workloadSecrets(pair);
		made.set(proxyId, { pair, config });
		return config;
	};
	const server = await startXdsServer(
		{ listen: { socketPath }, maxStreamAgeMs: 0 },
		{
			clock: deps.clock,
			log: deps.log,
			metrics: noMetrics,
			onAnswered: (proxyId) => deps.onAnswered(proxyId),
			source: {
				connect: (node, { address }) =>
					deps.admit(node.id) && (!address.startsWith(ownPrefix) || address === `${ownPrefix}${node.id}`)
						? { ok: true, proxyId: node.id }
						: { ok: false, grpcStatus: 7, because: `${node.id} is none of this machine's proxies` },
				configFor,
				disconnected: (proxyId) => made.delete(proxyId),
			},
		},
	);
	return {
		publish: (proxyId) => server.publish([proxyId]),
		useOf(proxyId) {
			if (server.applications(proxyId, typeUrls.secret, "default", "").length === 0)
				return { state: "confirmed", unasked: names };
			const secrets = configFor(proxyId)?.get(typeUrls.secret);
			if (!secrets) return { state: "waiting", unasked: [] };
			const states = names.map((name) => {
				const version = findResource(secrets, name)?.version ?? "";
				return server.applications(proxyId, typeUrls.secret, name, version).map(({ state }) => state);
			});
			const all = new Set(states.flat());
			return {
				state: all.has("rejected") ? "refused" : all.has("pending") ? "waiting" : "confirmed",
				unasked: names.filter((_, index) => states[index]?.every((state) => state === "notWanted")),
			};
		},
		accept: (socket, proxyId) => server.accept(socket, `${ownPrefix}${proxyId}`),
		close: () => server.close(),
	};
}

function isSamePair(a: WorkloadKeyPair, b: WorkloadKeyPair): boolean {
	return a.chainPem === b.chainPem && a.keyPem === b.keyPem && a.rootPem === b.rootPem && a.crlPem === b.crlPem;
}
