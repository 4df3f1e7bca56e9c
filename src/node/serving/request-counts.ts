// How a proxy's HTTP requests end, out of Envoy's own counters: those that come in, and those that its application sends. One
// question to the admin socket, answered by Envoy's main thread alone.

import type { RequestCounts } from "../../hotswitch/serving-report.ts";
import type { EnvoyAdmin } from "../envoy-admin.ts";
import { parseStats } from "../plan/envoy-stats.ts";

const filter = "^http\\.(in|out)bound_.*\\.downstream_rq_(completed|5xx)$";

export interface ProxyCounts {
	readonly requests: RequestCounts;
	/** Absent for a gateway. */
	readonly calls?: RequestCounts;
}

/** Undefined when Envoy does not answer. */
export async function askCounts(
	admin: EnvoyAdmin,
	proxy: "sidecar" | "router",
	wallMs: () => number,
): Promise<ProxyCounts | undefined> {
	const answer = await admin.get(`/stats?usedonly&type=Counters&filter=${encodeURIComponent(filter)}`);
	return answer?.status === 200 ? countsOf(answer.body, proxy, wallMs()) : undefined;
}

/** Whatever a gateway serves is called outbound in its configuration. */
export function countsOf(stats: string, proxy: "sidecar" | "router", atMs: number): ProxyCounts {
	const sums = { in: { total: 0, serverErrors: 0 }, out: { total: 0, serverErrors: 0 } };
	for (const [name, value] of parseStats(stats)) {
		const [, direction, what] = /^http\.(in|out)bound_.*\.downstream_rq_(completed|5xx)$/.exec(name) ?? [];
		if (direction !== "in" && direction !== "out") continue;
		sums[direction][what === "5xx" ? "serverErrors" : "total"] += value;
	}
	if (proxy === "router")
		return {
			requests: {
				total: sums.in.total + sums.out.total,
				serverErrors: sums.in.serverErrors + sums.out.serverErrors,
				atMs,
			},
		};
	return { requests: { ...sums.in, atMs }, calls: { ...sums.out, atMs } };
}
