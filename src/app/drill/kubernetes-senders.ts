// Loads that pods of a drill on a cluster send: begun and ended by orders. In: from which pod, to whom, how often. Out: what became of
// the requests, as counts or one by one.

import { servedPort } from "../../kubernetes/drill/drill-order.ts";
import type { SentRequest } from "../../lab/drill/sent-requests.ts";
import type { LoadReport, LoadRequest } from "../../lab/load/load-report.ts";
import { type RequestLog, requestsOf, type Sender, type SentLoad } from "./drill-senders.ts";
import type { DrillPod, KubernetesDrillPods } from "./kubernetes-drill-pods.ts";

/** A sender whose drill is cut off ends by itself. */
const longestLoadSeconds = 600;
let count = 0;

/** Counts only. */
export async function startCounted(pods: KubernetesDrillPods, from: DrillPod, load: SentLoad): Promise<Sender> {
	const as = await begin(pods, from, "count", load);
	return { stop: () => pods.order<LoadReport>(from, { order: "stopSending", as }) };
}

/** Every request one by one, in times of CLOCK_MONOTONIC of the pod's node. */
export async function startLogged(
	pods: KubernetesDrillPods,
	from: DrillPod,
	load: SentLoad,
): Promise<Sender<readonly SentRequest[]>> {
	const as = await begin(pods, from, "send", load);
	return { stop: async () => requestsOf(await pods.order<RequestLog>(from, { order: "stopSending", as })) };
}

async function begin(
	pods: KubernetesDrillPods,
	from: DrillPod,
	order: "count" | "send",
	sent: SentLoad,
): Promise<string> {
	const as = `load-${++count}`;
	const load: LoadRequest = {
		port: servedPort,
		path: "/get",
		timeoutMs: 5_000,
		...sent,
		requests: (sent.ratePerSecond ?? 1) * longestLoadSeconds,
		concurrency: 1,
	};
	await pods.order(from, { order, load, as });
	return as;
}
