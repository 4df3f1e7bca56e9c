// A pod with a redirect that has a lease, and an Envoy behind it that passes connections on. In: two hosts of the rig. Out: Envoys
// started and ended, and the pod's path.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { closedPath } from "../../src/hotswitch/path-state.ts";
import { planRedirect } from "../../src/hotswitch/redirect-plan.ts";
import { renderRedirect } from "../../src/hotswitch/render-redirect.ts";
import { openPodPath } from "../../src/kernel/linux/open-pod-path.ts";
import { applyRedirect } from "../../src/kernel/namespace-redirect.ts";
import { passThroughBootstrap } from "../../src/kernel/pass-through-envoy.testing.ts";
import type { PodPath } from "../../src/kernel/pod-path.ts";
import { envoyAdmin } from "../../src/node/envoy-admin.ts";
import { envoyBinary, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { envoyCommand } from "../../src/node/plan/envoy-command.ts";
import { leaseHeartbeat } from "../../src/node/plan/lease-cluster.ts";

export const appPort = 8080;
export const outsidePort = 9090;

export interface LeasePod {
	readonly client: Host;
	readonly pod: Host;
	readonly path: PodPath;
	/** Sets the redirect anew. The sidecar is admitted, and when its lease is over connections go past it. */
	redirect(leaseMs: number): Promise<void>;
	/** Ready: it listens. `clustersFile` is a file of clusters beside its own, which it follows. */
	startEnvoy(heartbeatMs: number | undefined, clustersFile?: string): Promise<ChildProcess>;
	close(): void;
}

export async function openLeasePod(rig: Rig): Promise<LeasePod> {
	chmodSync(rig.directory, 0o777);
	const client = rig.addHost("client", "10.77.0.2");
	const pod = rig.addHost("pod", "10.77.0.3");
	await pod.run({ op: "serveGreeting", port: appPort, greeting: "app" });
	await client.run({ op: "serveGreeting", port: outsidePort, greeting: "outside" });
	const opened = openPodPath(pod.netns);
	if (!opened.ok) throw new Error(opened.message);
	return {
		client,
		pod,
		path: opened.value,
		redirect: async (leaseMs) => {
			const { plan } = planRedirect({
				owner: "bench/app",
				mode: "TPROXY",
				ips: [pod.ip],
				annotations: {},
				plaintext: { others: true, except: [] },
				lease: { leaseMs, hangMs: leaseMs },
			});
			const ruleset = renderRedirect(plan, [], { ...closedPath, sidecar: true, direct: true });
			const applied = await applyRedirect(pod.netns, { ruleset, ipv6: false, lowPorts: false });
			if (!applied.ok) throw new Error(applied.message);
		},
		startEnvoy: async (heartbeatMs, clustersFile) => {
			const bootstrap = join(rig.directory, "bootstrap.json");
			const adminSocket = join(rig.directory, "admin.sock");
			const heartbeat = heartbeatMs === undefined ? {} : leaseHeartbeat(heartbeatMs, join(rig.directory, "lease.sock"));
			const dynamic = clustersFile && {
				node: { id: "bench", cluster: "bench" },
				dynamic_resources: { cds_config: { path_config_source: { path: clustersFile }, resource_api_version: "V3" } },
			};
			const plain = passThroughBootstrap({ adminSocket, transparent: true, ...heartbeat });
			writeFileSync(bootstrap, JSON.stringify({ ...plain, ...dynamic }));
			const start = { envoy: envoyBinary, netns: pod.netns, bootstrap, concurrency: 1, transparent: true };
			const { file, args } = envoyCommand({ ...start, logLevel: "off" });
			const envoy = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
			const readyBy = performance.now() + 10_000;
			while ((await envoyAdmin(adminSocket).get("/ready"))?.status !== 200) {
				if (performance.now() > readyBy) throw new Error("Envoy is not ready");
				await sleep(50);
			}
			return envoy;
		},
		close: () => opened.value.close(),
	};
}

/** Also when it is stopped. */
export async function endEnvoy(envoy: ChildProcess): Promise<void> {
	if (envoy.exitCode !== null || envoy.signalCode !== null) return;
	const ended = once(envoy, "exit");
	envoy.kill("SIGKILL");
	await ended;
}
