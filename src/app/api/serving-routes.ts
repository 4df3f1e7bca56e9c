// What nodes reported, over the API: GET /api/v1/serving, each pod's step and request counts; GET /api/v1/events, the switches,
// newest last. Both can be asked for one namespace (?namespace=) and one pod (?pod=).

import type { Clock } from "../../runtime/clock.ts";
import type { ServingReports } from "../control/serving-reports.ts";
import type { ApiRoute } from "./api-server.ts";
import type { ServingItem } from "./api-types.ts";

export function servingRoutes(serving: ServingReports, clock: Clock): readonly ApiRoute[] {
	return [
		{
			method: "GET",
			path: "/api/v1/serving",
			answer: ({ query }) => ({
				json: { items: servingItems(serving, clock.monotonicMs()).filter((item) => isWanted(query, item)) },
			}),
		},
		{
			method: "GET",
			path: "/api/v1/events",
			answer: ({ query }) => ({ json: { items: serving.events().filter((event) => isWanted(query, event)) } }),
		},
	];
}

function servingItems(reports: ServingReports, nowMs: number): readonly ServingItem[] {
	return reports
		.all()
		.map(({ calls, heardAtMs, name, namespace, node, proxyId, ready, requests, serving }) => ({
			proxyId,
			namespace,
			pod: name,
			node,
			heardMsAgo: Math.round(nowMs - heardAtMs),
			ready,
			...(serving && { serving }),
			...(requests && { requests }),
			...(calls && { calls }),
		}))
		.sort((a, b) => (a.proxyId < b.proxyId ? -1 : 1));
}

function isWanted(query: URLSearchParams, item: { readonly namespace: string; readonly pod: string }): boolean {
	return [
		["namespace", item.namespace],
		["pod", item.pod],
	].every(([name = "", value]) => !query.get(name) || query.get(name) === value);
}
