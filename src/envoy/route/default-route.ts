// Routes that no rule asks for: a service's own, and the last resort of a table.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { ServiceView } from "../../model/view.ts";
import { outboundClusterName, passthroughCluster } from "../names.ts";
import { noTimeout, speaksGrpc } from "./forward-action.ts";
import { hashOfPort, hashPolicy } from "./hash-policy.ts";
import { encodeRoute } from "./http-routes.ts";
import { meshHttpConfig } from "./mesh-http.ts";
import { retryPolicy } from "./retry-policy.ts";
import { matchEverything } from "./route-match.ts";

interface Remembered {
	readonly mesh: MeshSettings;
	readonly byPort: Map<number, Uint8Array>;
}

const remembered = new WeakMap<ServiceView, Remembered>();

/** Everything to the service's cluster, with the mesh's default retries. */
export function defaultRoute(view: ServiceView, port: number, mesh: MeshSettings): Uint8Array {
	let known = remembered.get(view);
	if (known?.mesh !== mesh) {
		known = { mesh, byPort: new Map() };
		remembered.set(view, known);
	}
	let bytes = known.byPort.get(port);
	if (bytes === undefined) {
		bytes = encodeDefaultRoute(view, port, mesh);
		known.byPort.set(port, bytes);
	}
	return bytes;
}

function encodeDefaultRoute(view: ServiceView, port: number, mesh: MeshSettings): Uint8Array {
	const hash = hashPolicy(hashOfPort(view, port));
	const { hostname } = view.service;
	return encodeRoute({
		name: "default",
		match: matchEverything,
		action: {
			case: "route",
			value: {
				clusterSpecifier: { case: "cluster", value: outboundClusterName(port, "", hostname) },
				timeout: noTimeout,
				...(speaksGrpc(view, port) && { maxGrpcTimeout: noTimeout }),
				retryPolicy: retryPolicy(undefined, mesh.retries, hash !== undefined),
				hashPolicy: hash ? [hash] : [],
			},
		},
		decorator: { operation: `${hostname}:${port}/*` },
		typedPerFilterConfig: meshHttpConfig(view, port, ""),
	});
}

/** Requests for hosts that the mesh does not know: on to where they were going, or 502. */
export const allowAnyRoute: Uint8Array = encodeRoute({
	name: "allow_any",
	match: matchEverything,
	action: {
		case: "route",
		value: {
			clusterSpecifier: { case: "cluster", value: passthroughCluster },
			timeout: noTimeout,
		},
	},
});

export const blockAllRoute: Uint8Array = encodeRoute({
	name: "block_all",
	match: matchEverything,
	action: { case: "directResponse", value: { status: 502 } },
});
