// Questions and commands to a pod's Envoy, asked over its admin socket.

import type { Log } from "../runtime/log.ts";
import type { EnvoyAdmin } from "./envoy-admin.ts";
import {
	connectionsFilter,
	connectionsOf,
	isLive,
	type Readiness,
	readinessFilter,
	readinessOf,
	rejectionsOf,
	rejectionsPath,
	responsesFilter,
	responsesOf,
} from "./plan/envoy-stats.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import type { Connections } from "./plan/proxy-machine.ts";

export async function askReadiness(admin: EnvoyAdmin): Promise<Readiness> {
	const ready = (await admin.get("/ready"))?.body ?? "";
	const path = `/stats?filter=${encodeURIComponent(readinessFilter)}`;
	const readiness = readinessOf(ready, isLive(ready) ? ((await admin.get(path))?.body ?? "") : "");
	if (readiness.ready || !readiness.rejected) return readiness;
	const dumped = (await admin.get(rejectionsPath(readiness.rejected)))?.body ?? "";
	const reasons = rejectionsOf(dumped);
	return { ...readiness, because: [readiness.because, ...reasons].join(": ") };
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

/** A command that Envoy does not take is told in the log: it changes nothing that is waited for. */
export async function tellEnvoy(admin: EnvoyAdmin, path: string, owner: string, log: Log): Promise<undefined> {
	const answer = await admin.post(path);
	if (answer?.status !== 200) log.warn({ pod: owner, path, status: answer?.status }, "Envoy did not take a command");
	return undefined;
}
