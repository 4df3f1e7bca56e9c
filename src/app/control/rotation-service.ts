// Rotation in a running control plane: the driver between the authority, the proxies' sessions and the metrics, and the
// alarm when a root or an issuer grows old.

import type { Authority } from "../../identity/authority/authority.ts";
import type { RotationBoard } from "../../identity/authority/rotation-board.ts";
import { RotationStore } from "../../identity/authority/rotation-store.ts";
import { trustBundleName, trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { XdsServer } from "../../xds/wire/config-source.ts";
import { caMetrics, isLate } from "./ca-metrics.ts";
import type { ControlPlane } from "./control-plane.ts";
import { expectedProxies } from "./expected-proxies.ts";
import type { NodeStreams } from "./node-streams.ts";
import { RotationDriver, type RotationDriverOptions } from "./rotation-driver.ts";

export interface RotationServiceParts {
	readonly authority: Authority;
	/** Where the replicas meet. Default: files in the authority's directory. */
	readonly board?: RotationBoard;
	readonly control: ControlPlane;
	readonly nodes: NodeStreams;
	readonly servers: readonly XdsServer[];
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
}

const alarmEveryMs = 3_600_000;

/** Start it before proxies can connect: each gets the bundle with its first configuration. */
export function createRotation(options: RotationDriverOptions, parts: RotationServiceParts): RotationDriver {
	const { authority, clock, control, log, nodes } = parts;
	const shown = caMetrics(parts.metrics);
	/** Gateways have certificates without saying so in their labels: they are known once they have been here. */
	const seen = new Set<string>();
	let alarmedMs = Number.NEGATIVE_INFINITY;
	return new RotationDriver(options, {
		authority,
		store: parts.board ?? new RotationStore(authority.directory),
		clock,
		log,
		connected: (version) => [
			...[...control.proxies.values()]
				.filter(({ proxy }) => proxy.workloadCertificate)
				.map(({ proxy }) => {
					const name = `${proxy.name}.${proxy.namespace}`;
					seen.add(name);
					return { proxy: name, ...(hasConfirmed(parts.servers, proxy.id, version) ? { acknowledged: version } : {}) };
				}),
			// A node that is away is not waited for: it may never come back, and a join token brings it in again.
			...nodes.connected().map((id) => ({
				proxy: id,
				...(hasConfirmed(parts.servers, id, version) ? { acknowledged: version } : {}),
			})),
		],
		expected: () => {
			const expected = expectedProxies(control.snapshot, seen);
			const pods = new Set(expected);
			for (const name of seen) if (!pods.has(name)) seen.delete(name);
			return expected;
		},
		onBundle: ({ part }) => {
			control.setTrustBundle(part);
			nodes.setTrustBundle(part);
		},
		onLook: (state) => {
			const nowMs = clock.wallMs();
			const { root, issuer } = signing(authority);
			if (!root || !issuer) return;
			shown.show(root, issuer, state, nowMs);
			if (clock.monotonicMs() - alarmedMs < alarmEveryMs) return;
			for (const [certificate, life] of [["root", root] as const, ["issuer", issuer] as const]) {
				if (!isLate(life, nowMs)) continue;
				alarmedMs = clock.monotonicMs();
				const expires = new Date(life.notAfterMs).toISOString();
				log.warn(
					{ certificate, expires, next: `keepmesh certs rotate-${certificate}` },
					"certificate of the authority expires",
				);
			}
		},
	});
}

/** On every stream that it has: one that lags behind proves nothing. */
function hasConfirmed(servers: readonly XdsServer[], proxyId: string, version: string): boolean {
	const states = servers
		.flatMap((server) => server.applications(proxyId, trustBundleTypeUrl, trustBundleName, version))
		.map(({ state }) => state)
		.filter((state) => state !== "notWanted");
	return states.length > 0 && states.every((state) => state === "applied");
}

function signing(authority: Authority) {
	const issuer = authority.issuers().find(({ isSigning }) => isSigning);
	const root = authority.roots().find(({ fingerprint }) => fingerprint === issuer?.root);
	return { root, issuer };
}
