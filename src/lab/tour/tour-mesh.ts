// What the tour needs of a running mesh. The demo gives it a lab; its own tests give it a fake.

import type { LoadReport } from "../load/load-report.ts";

export interface TourLoad {
	readonly path: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly requests: number;
	readonly concurrency: number;
	readonly ratePerSecond?: number;
	readonly countHeader?: string;
}

export interface TourMesh {
	/** Applies a file of the tour; resolves when every proxy that it concerns has taken it. Rejects when one refuses. */
	apply(file: string): Promise<void>;
	/** Deletes what a file of the tour made. */
	remove(file: string): Promise<void>;
	/** Resolves when so many pods of the deployment are ready. Rejects after a time. */
	podsReady(deployment: string, count: number): Promise<void>;
	/** Requests from a client outside the mesh to the gateway; `address`: to a virtual IP in front of it. */
	send(load: TourLoad, address?: string): Promise<LoadReport>;
	/** Plain HTTP from a client outside the mesh straight to a pod of the deployment, past gateway and mutual TLS. */
	sendPast(deployment: string, load: TourLoad): Promise<LoadReport>;
	/** From the pod `plain-caller`, which has no proxy, to a Service, each request on a new connection; the kernel balances. */
	sendLayer4(service: string, load: TourLoad): Promise<LoadReport>;
	/** Replaces the mesh's root certificate; resolves when every proxy trusts the new one alone. */
	rotateRoot(): Promise<RootRotation>;
	/** The node that holds a virtual IP now, asked of the nodes' kernels; undefined while none or several do. */
	ownerOf(address: string): Promise<string | undefined>;
	/** A node dies: SIGKILL to its virtual-IP process and all that it started, and its cable is pulled. */
	crashNode(node: string): Promise<void>;
	/** Resolves when the node is back and its control planes see it. */
	repairNode(node: string): Promise<void>;
	sleep(ms: number): Promise<void>;
	/** SIGKILL to the application's process of one pod of the deployment; its container is started again. */
	crash(deployment: string): Promise<void>;
	/** To the Envoy of one pod of the deployment. */
	breakProxy(deployment: string, signal: "SIGKILL" | "SIGSTOP"): Promise<void>;
	/** Resolves when the pod whose Envoy was broken has its connections on a new Envoy of its own. Rejects after a time. */
	proxyRestored(): Promise<void>;
	/** SIGKILL to all of them; none is started again before `reviveControlPlanes`. */
	killControlPlanes(): Promise<void>;
	/** Resolves when every proxy is connected and in sync again. */
	reviveControlPlanes(): Promise<void>;
}

export interface RootRotation {
	/** Fingerprints of the roots before and after. */
	readonly before: readonly string[];
	readonly after: readonly string[];
	readonly tookMs: number;
}
