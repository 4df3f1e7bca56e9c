// What the benchmark's control process needs of a mesh.

import type { XdsNode } from "../../src/xds/node.ts";
import type { ProxyConfig } from "../../src/xds/resource.ts";

export interface BenchMesh {
	/** Everything that can be done before a proxy connects is done. */
	ready(): Promise<void>;
	/** Returns the proxy's id. */
	connect(node: XdsNode): string;
	disconnect(proxyId: string): void;
	configFor(proxyId: string): ProxyConfig | undefined;
	/** Moves one endpoint of one service and publishes. */
	changeEndpoint(round: number): void;
}
