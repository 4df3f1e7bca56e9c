// A pod's prometheus.io annotations -> the ones that lead a scraper to the proxy's port 15020, where Envoy's figures and the
// application's stand together, and what the application's were, for the variable ISTIO_PROMETHEUS_ANNOTATIONS.

import { probePort } from "./rewrite-probes.ts";

export const appMetricsVariable = "ISTIO_PROMETHEUS_ANNOTATIONS";

export interface MergedMetrics {
	readonly annotations: Readonly<Record<string, string>>;
	/** JSON of the application's own annotations; absent when it has none. */
	readonly variable?: string;
}

/** Scrapers read `prometheus.io/port` and `prometheus_io_port` alike. */
const partOf = (annotation: string): string | undefined =>
	/^prometheus[._]io[/_](scrape|port|path)$/.exec(annotation)?.[1];

/** Undefined: they stay as they are, because somebody said so, or because they lead to the proxy already. */
export function mergeMetrics(
	annotations: Readonly<Record<string, string>>,
	isMerging: boolean,
): MergedMetrics | undefined {
	const own = Object.entries(annotations).filter(([name]) => partOf(name) !== undefined);
	const said = Object.fromEntries(own.map(([name, value]) => [partOf(name), value]));
	const wish = annotations["prometheus.istio.io/merge-metrics"];
	if (!(wish === undefined ? isMerging : wish === "true")) return undefined;
	if (said.scrape !== undefined && ["false", "f", "0"].includes(said.scrape.toLowerCase())) return undefined;
	if (said.port === String(probePort)) return undefined;
	const others = Object.entries(annotations).filter(([name]) => partOf(name) === undefined);
	const merged = Object.fromEntries([
		...others,
		["prometheus.io/scrape", "true"],
		["prometheus.io/port", String(probePort)],
		["prometheus.io/path", "/stats/prometheus"],
	]);
	const { path = "", port = "", scrape = "" } = said;
	return own.length === 0
		? { annotations: merged }
		: { annotations: merged, variable: JSON.stringify({ scrape, path, port }) };
}
