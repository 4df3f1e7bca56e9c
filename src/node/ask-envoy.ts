// Questions to a pod's Envoy, asked over its admin socket.

import type { EnvoyAdmin } from "./envoy-admin.ts";
import {
	connectionsFilter,
	connectionsOf,
	isLive,
	type Readiness,
	readinessFilter,
	readinessOf,
	responsesFilter,
	responsesOf,
} from "./plan/envoy-stats.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import type { Connections } from "./plan/proxy-machine.ts";

export async function askReadiness(admin: EnvoyAdmin): Promise<Readiness> {
	const ready = (await admin.get("/ready"))?.body ?? "";
	const path = `/stats?filter=${encodeURIComponent(readinessFilter)}`;
	return readinessOf(ready, isLive(ready) ? ((await admin.get(path))?.body ?? "") : "");
}

/** Undefined when Envoy does not answer. */
export async function askConnections(admin: EnvoyAdmin, proxy: PodSpec["proxy"]): Promise<Connections | undefined> {
	const answer = await admin.get(`/stats?filter=${encodeURIComponent(connectionsFilter)}`);
	return answer && connectionsOf(answer.body, proxy);
}

/** Undefined when Envoy does not answer. */
export async function askResponses(admin: EnvoyAdmin): Promise<number | undefined> {
	const answer = await admin.get(`/stats?filter=${encodeURIComponent(responsesFilter)}`);
	return answer && responsesOf(answer.body);
}
