// What the agent reads out of Envoy's admin: is it ready, and which connections are open. In: answers of /ready and /stats.

import type { Connections } from "./proxy-machine.ts";

export type Readiness =
	| { readonly ready: true }
	| {
			readonly ready: false;
			readonly because: string;
			/** It will not become ready by waiting: Envoy has refused what it was given. */
			readonly rejected?: "clusters" | "listeners";
	  };

/** Its admin interface did not answer. */
export function isMute(readiness: Readiness): boolean {
	return !readiness.ready && readiness.because === muteBecause;
}

const muteBecause = "Envoy says nothing";

/** The statistics that readinessOf needs, as a filter for /stats. */
export const readinessFilter = "^(cluster_manager\\.cds|listener_manager\\.lds)\\.update_(success|rejected)$";

/** What /ready says once the server has initialised. */
export function isLive(readyAnswer: string): boolean {
	return readyAnswer.trim() === "LIVE";
}

/** Ready: the server is LIVE and has taken clusters and listeners at least once, so what the redirect catches is served. */
export function readinessOf(readyAnswer: string, stats: string): Readiness {
	const state = readyAnswer.trim();
	if (!isLive(state)) return { ready: false, because: state === "" ? muteBecause : `Envoy says ${state}` };
	const values = parseStats(stats);
	for (const [what, name] of [
		["clusters", "cluster_manager.cds"],
		["listeners", "listener_manager.lds"],
	] as const) {
		if ((values.get(`${name}.update_success`) ?? 0) > 0) continue;
		if (!((values.get(`${name}.update_rejected`) ?? 0) > 0))
			return { ready: false, because: `no ${what} from the control plane yet` };
		return { ready: false, because: `Envoy has refused its first ${what}`, rejected: what };
	}
	return { ready: true };
}

/** What Envoy says against what it was given last, by resource, without the resource itself. */
export function rejectionsPath(what: "clusters" | "listeners"): string {
	const resource = what === "listeners" ? "dynamic_listeners" : "dynamic_active_clusters";
	return `/config_dump?resource=${resource}&mask=name,error_state.details`;
}

/** Of the answer to rejectionsPath; one sentence for each resource, the first few. */
export function rejectionsOf(dumped: string): readonly string[] {
	try {
		const { configs = [] } = JSON.parse(dumped) as {
			configs?: readonly { name?: string; error_state?: { details?: string } }[];
		};
		return configs
			.flatMap(({ error_state: error }) => (error?.details ? [error.details.slice(0, 300)] : []))
			.slice(0, 3);
	} catch {
		return [];
	}
}

/** The statistics that megaMissesOf needs. */
export const watchdogFilter = "^server\\.\\w+\\.watchdog_mega_miss$";

/** How often each thread did not come around for so long that its watchdog gave it up; `main_thread`, `worker_0`. */
export function megaMissesOf(stats: string): ReadonlyMap<string, number> {
	return new Map(
		[...parseStats(stats)].flatMap(([name, value]) => {
			const thread = name.match(/^server\.(\w+)\.watchdog_mega_miss$/)?.[1];
			return thread === undefined ? [] : [[thread, value] as const];
		}),
	);
}

/** The statistics that connectionsOf needs. */
export const connectionsFilter = "^listener\\..*\\.downstream_cx_active$";

/**
 * A sidecar's inbound listener is the one on 15006; connections caught on 15001 are handed on to other listeners and count
 * there. Everything that a router listens on is inbound. Listeners of Keepmesh itself and per-worker counts are left out.
 */
export function connectionsOf(stats: string, proxy: "sidecar" | "router"): Connections {
	let inbound = 0;
	let outbound = 0;
	for (const [name, value] of parseStats(stats)) {
		const listener = name.match(/^listener\.(.*)\.downstream_cx_active$/)?.[1];
		if (listener === undefined || /\.worker_\d+$|^admin|\.sock|_(?:15000|15020|15021|15090)$/.test(listener)) continue;
		if (proxy === "router" || /_15006$|^virtualInbound$/.test(listener)) inbound += value;
		else outbound += value;
	}
	return { inbound, outbound };
}

/** The statistics that responsesOf needs. */
export const responsesFilter = "^http\\..*\\.downstream_rq_completed$";

/** How many requests Envoy has answered since it was started, without those to listeners of Keepmesh itself. */
export function responsesOf(stats: string): number {
	let answered = 0;
	for (const [name, value] of parseStats(stats))
		if (!/^http\.(?:admin|health|metrics|prometheus|app-metrics)\./.test(name)) answered += value;
	return answered;
}

/** Lines `name: number`; histograms and texts are skipped. */
export function parseStats(text: string): ReadonlyMap<string, number> {
	const values = new Map<string, number>();
	for (const line of text.split("\n")) {
		const colon = line.lastIndexOf(": ");
		if (colon < 0) continue;
		const value = Number(line.slice(colon + 2));
		if (Number.isFinite(value)) values.set(line.slice(0, colon), value);
	}
	return values;
}
