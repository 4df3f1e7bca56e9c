// Where the agent asks a pod's Envoy how it does. Out: a static listener on a Unix socket that each worker takes connections of in
// turn, so that as many connections as there are workers reach them all, one each; its answers come from the worker itself, or
// through it from the main thread, as those of port 15021 do. And Envoy's own watchdogs.

import { httpListener } from "../../envoy/bootstrap/static-resources.ts";

/** Answered by a worker alone. */
export const workerPath = "/worker";
/** Answered as on port 15021. */
export const readinessPath = "/healthz/ready";

/** Routes for readiness: 200 when the agent has let it in and Envoy itself says LIVE. */
export function readinessRoutes(runtimeKey: string): readonly object[] {
	return [
		{
			match: {
				path: readinessPath,
				runtime_fraction: { default_value: { numerator: 0 }, runtime_key: runtimeKey },
			},
			route: { cluster: "prometheus_stats", prefix_rewrite: "/ready" },
		},
		{ match: { path: readinessPath }, direct_response: { status: 503, body: { inline_string: "not ready\n" } } },
	];
}

export function watchListener(socketPath: string, runtimeKey: string): object {
	const worker = { match: { path: workerPath }, direct_response: { status: 200 } };
	return {
		...httpListener("watch", { socketPath }, [], [worker, ...readinessRoutes(runtimeKey)]),
		connection_balance_config: { exact_balance: {} },
	};
}

/** A miss is only counted. Far above what a busy machine does: Envoy must not be blamed for a processor that it did not get. */
export const watchdogs = {
	main_thread_watchdog: { miss_timeout: "1s", megamiss_timeout: "5s" },
	worker_watchdog: { miss_timeout: "0.5s", megamiss_timeout: "3s" },
} as const;
