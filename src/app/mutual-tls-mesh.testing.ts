// A mesh in small for tests and benchmarks: a real control plane with its authority, and one service whose workloads take
// mutual TLS only. The node and its pods are the caller's; resources are written as a cluster would write them.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Authority, openAuthority } from "../identity/authority/authority.ts";
import { JoinTokens } from "../identity/authority/join-tokens.ts";
import type { Host, Rig } from "../node/namespace-rig.testing.ts";
import { silentLog } from "../runtime/log.ts";
import { startControl } from "./control.ts";

export const serviceIp = "10.96.0.10";

export interface MutualTlsMesh {
	readonly authority: Authority;
	/** Of the control plane's TLS. */
	readonly port: number;
	newToken(node: string): string;
	/** Who would hold a rotation of the root up now: has not confirmed what is to be trusted, or is away. */
	blockers(): Promise<readonly object[]>;
	/** As the API server hears of a pod that has been placed. */
	placePod(host: Host, name: string, app: string): void;
	removePod(name: string): void;
	/** The service's endpoints from now on. */
	serve(hosts: readonly Host[]): void;
	/** The control plane and with it every authority ends. */
	close(): Promise<void>;
}

export async function startMutualTlsMesh(rig: Rig): Promise<MutualTlsMesh> {
	const resources = join(rig.directory, "resources");
	const caDirectory = join(rig.directory, "ca");
	mkdirSync(resources);
	const write = (name: string, object: object): void => {
		writeFileSync(join(rig.directory, name), JSON.stringify(object));
		renameSync(join(rig.directory, name), join(resources, name));
	};
	const metadata = (name: string, labels: object = {}): object => ({ name, namespace: "default", labels });
	write("policy.json", {
		apiVersion: "security.istio.io/v1",
		kind: "PeerAuthentication",
		metadata: metadata("default"),
		spec: { mtls: { mode: "STRICT" } },
	});
	write("service.json", {
		apiVersion: "v1",
		kind: "Service",
		metadata: metadata("web"),
		spec: { clusterIP: serviceIp, selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
	});
	const control = await startControl(
		{
			id: "control-1",
			version: "0",
			resources: [resources],
			caDirectory,
			trustDomain: "cluster.local",
			secureXds: { host: "127.0.0.1", port: 0 },
			api: { host: "127.0.0.1", port: 0 },
		},
		{ log: silentLog },
	);
	const authority = openAuthority({ directory: caDirectory, trustDomain: "cluster.local", wallMs: Date.now });
	return {
		authority,
		port: control.secureXdsPort ?? 0,
		newToken: (node) => {
			const { rootHash } = authority;
			return new JoinTokens(caDirectory).create({ node, ttlMs: 600_000, rootHash, nowMs: Date.now() }).text;
		},
		blockers: async () => {
			const path = "/api/v1/rotation?kind=root&dryRun=true";
			const answer = await fetch(`http://127.0.0.1:${control.apiPort}${path}`, { method: "POST" });
			return ((await answer.json()) as { blockers: readonly object[] }).blockers;
		},
		placePod: (host, name, app) =>
			write(`pod-${name}.json`, {
				apiVersion: "v1",
				kind: "Pod",
				metadata: metadata(name, { app, "security.istio.io/tlsMode": "istio" }),
				spec: { nodeName: "n1", serviceAccountName: app, containers: [] },
				status: { phase: "Running", podIP: host.ip, podIPs: [{ ip: host.ip }] },
			}),
		removePod: (name) => rmSync(join(resources, `pod-${name}.json`)),
		serve: (hosts) =>
			write("endpoints.json", {
				apiVersion: "discovery.k8s.io/v1",
				kind: "EndpointSlice",
				metadata: metadata("web-1", { "kubernetes.io/service-name": "web" }),
				addressType: "IPv4",
				ports: [{ name: "http", port: 8080 }],
				endpoints: hosts.map(({ ip }) => ({ addresses: [ip], conditions: { ready: true }, nodeName: "n1" })),
			}),
		close: () => control.close(),
	};
}
