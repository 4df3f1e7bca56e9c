// Generated routes, decoded, for tests.

import { fromBinary } from "@bufbuild/protobuf";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { ServiceView } from "../../model/view.ts";
import type { HttpRoute } from "../../resources/kinds/networking.ts";
import { type Route, type RouteAction, RouteSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { rule, serviceView } from "../views.testing.ts";
import { httpRoutes } from "./http-routes.ts";
import { type RouteScope, servicesByHost } from "./route-scope.ts";

export const host = "reviews.default.svc.cluster.local";
export const toV1 = { destination: { host, subset: "v1" } };
export const toV2 = { destination: { host, subset: "v2" } };

export function scope(
	fields: Partial<RouteScope> = {},
	services: readonly ServiceView[] = [serviceView("reviews")],
): RouteScope {
	return { mesh: defaultMeshSettings, port: 9080, tls: false, services: servicesByHost(services), ...fields };
}

export function routesOf(http: readonly HttpRoute[], context: RouteScope = scope()): readonly Route[] {
	return httpRoutes(rule([host], http), context).map(({ bytes }) => fromBinary(RouteSchema, bytes));
}

export function routeOf(route: HttpRoute, context: RouteScope = scope()): Route {
	const [first] = routesOf([route], context);
	if (first === undefined) throw new Error("no route");
	return first;
}

export function actionOf(route: HttpRoute, context: RouteScope = scope()): RouteAction {
	const { action } = routeOf(route, context);
	if (action.case !== "route") throw new Error(`the action is ${action.case}`);
	return action.value;
}

export function clustersOf({ clusterSpecifier }: RouteAction): unknown {
	if (clusterSpecifier.case !== "weightedClusters") return clusterSpecifier.value;
	return clusterSpecifier.value.clusters.map(({ name, weight }) => [name, weight]);
}
