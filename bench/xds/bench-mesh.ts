// What the benchmark's control process needs of a mesh.

import type { ProxyConfig } from "../../src/xds/resource.ts";

export interface BenchMesh {
	/** Everything that can be done before a proxy connects is done. */
	ready(): Promise<void>;
	configFor(proxyId: string): ProxyConfig | undefined;
	/** Replaces one endpoint of one service. */
	changeEndpoint(round: number): void;
}
