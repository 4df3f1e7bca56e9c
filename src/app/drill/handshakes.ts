// TLS handshakes between the drill's Envoys, out of an Envoy's own statistics.

/** Of the admin. */
export const handshakeStats = "/stats?filter=ssl%5C.(handshake%7Cconnection_error%7Cfail_verify)";

/** A pod's own counters: what its listener took, and what failed there or at the clusters that it calls. */
export function countHandshakes(stats: string): { readonly made: number; readonly failed: number } {
	let made = 0;
	let failed = 0;
	for (const [, name = "", value = "0"] of stats.matchAll(/^(\S+): (\d+)$/gm)) {
		if (/^listener\.(?:0\.0\.0\.0|\[__\])_15006\.ssl\.handshake$/.test(name)) made += Number(value);
		else if (/^(?:listener|cluster)\..*ssl\.(?:connection_error|fail_verify)/.test(name)) failed += Number(value);
	}
	return { made, failed };
}
