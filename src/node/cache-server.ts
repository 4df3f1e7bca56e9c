// ADS from the configuration cache, on a Unix socket of the agent's own: the relay's last resort when no control plane can be
// reached. It never changes anything: what a proxy accepted last is what it gets.

import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { noMetrics } from "../runtime/metrics.ts";
import type { ProxyConfig } from "../xds/resource.ts";
import { startXdsServer } from "../xds/wire/xds-server.ts";
import type { ConfigCache } from "./config-cache.ts";

export interface CacheServer {
	close(): Promise<void>;
}

export async function startCacheServer(
	socketPath: string,
	{ cache, clock, log }: { readonly cache: ConfigCache; readonly clock: Clock; readonly log: Log },
): Promise<CacheServer> {
	const loaded = new Map<string, ProxyConfig>();
	const server = await startXdsServer(
		{ listen: { socketPath }, maxStreamAgeMs: 0 },
		{
			clock,
			log,
			metrics: noMetrics,
			source: {
				connect({ id }) {
					void cache.load(id).then((config) => {
						if (!config) return;
						loaded.set(id, config);
						server.publish([id]);
					});
					return { ok: true, proxyId: id };
				},
				configFor: (proxyId) => loaded.get(proxyId),
				disconnected: (proxyId) => loaded.delete(proxyId),
			},
		},
	);
	return { close: () => server.close() };
}
