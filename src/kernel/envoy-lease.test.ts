// A real Envoy behind a redirect with a lease: its signs of life alone keep the lease, and whatever stops Envoy ends it.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { staticCluster } from "../envoy/bootstrap/static-resources.ts";
import { closedPath } from "../hotswitch/path-state.ts";
import { planRedirect } from "../hotswitch/redirect-plan.ts";
import { renderRedirect } from "../hotswitch/render-redirect.ts";
import { envoyAdmin } from "../node/envoy-admin.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import { envoyCommand } from "../node/plan/envoy-command.ts";
import { parseStats } from "../node/plan/envoy-stats.ts";
import { leaseHeartbeat } from "../node/plan/lease-cluster.ts";
import { openPodPath } from "./linux/open-pod-path.ts";
import { applyRedirect } from "./namespace-redirect.ts";
import { passThroughBootstrap } from "./pass-through-envoy.testing.ts";
import type { PodPath } from "./pod-path.ts";

const leaseMs = 300;
const heartbeatMs = 20;

describe("a lease that Envoy keeps", { skip: cannotRun }, () => {
	let rig: Rig;
	let client: Host;
	let pod: Host;
	let path: PodPath;
	let envoy: ChildProcess | undefined;
	/** Of clusters that Envoy follows. */
	let clustersFile = "";

	const endEnvoy = async () => {
		if (envoy === undefined || envoy.exitCode !== null || envoy.signalCode !== null) return;
		const ended = once(envoy, "exit");
		envoy.kill("SIGKILL");
		await ended;
	};
	const until = async (isSo: () => boolean) => {
		while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
	};
	/** From whom the application's connection comes: 127.0.0.6 is Envoy. */
	const remote = async (from: Host, host: string, port: number): Promise<string> => {
		const answer = await from.run<{ body?: string; error?: string }>({ op: "http", host, port });
		return answer.body ? (JSON.parse(answer.body) as { remoteAddress: string }).remoteAddress : (answer.error ?? "");
	};

	before(async () => {
		rig = createRig();
		chmodSync(rig.directory, 0o777);
		clustersFile = join(rig.directory, "clusters.json");
		client = rig.addHost("client", "10.77.0.2");
		pod = rig.addHost("pod", "10.77.0.3");
		await pod.run({ op: "serveHttp", port: 8080, name: "app" });
		await client.run({ op: "serveHttp", port: 9090, name: "outside" });
		const opened = openPodPath(pod.netns);
		assert.ok(opened.ok);
		path = opened.value;
	});
	after(() => {
		path?.close();
		rig?.close();
	});
	beforeEach(async () => {
		const { plan } = planRedirect({
			owner: "default/app",
			mode: "TPROXY",
			ips: [pod.ip],
			annotations: {},
			plaintext: { others: true, except: [] },
			// Longer than the lease, so that a busy machine has time to ask while Envoy is only late.
			lease: { leaseMs, hangMs: 5_000 },
		});
		const ruleset = renderRedirect(plan, [], { ...closedPath, sidecar: true, direct: true });
		assert.deepEqual(await applyRedirect(pod.netns, { ruleset, ipv6: false, lowPorts: false }), { ok: true });
		await until(() => path.leaseRemainingMs() === undefined);
		const bootstrap = join(rig.directory, "bootstrap.json");
		const adminSocket = join(rig.directory, "admin.sock");
		const heartbeat = leaseHeartbeat(heartbeatMs, join(rig.directory, "lease.sock"));
		writeFileSync(clustersFile, JSON.stringify({ resources: [] }));
		writeFileSync(
			bootstrap,
			JSON.stringify({
				...passThroughBootstrap({ adminSocket, transparent: true, ...heartbeat }),
				node: { id: "test", cluster: "test" },
				dynamic_resources: { cds_config: { path_config_source: { path: clustersFile }, resource_api_version: "V3" } },
			}),
		);
		const start = { envoy: envoyBinary, netns: pod.netns, bootstrap, concurrency: 1, transparent: true };
		const { file, args } = envoyCommand({ ...start, logLevel: "error" });
		envoy = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
		await until(() => path.leaseRemainingMs() !== undefined);
		while ((await remote(client, pod.ip, 8080)) !== "127.0.0.6");
	});
	afterEach(endEnvoy);

	it("is kept by Envoy alone, and new connections go through Envoy", async () => {
		const untilMs = performance.now() + 1000;
		let [seen, gone] = [0, 0];
		while (performance.now() < untilMs) {
			if (path.leaseRemainingMs() === undefined) gone++;
			seen++;
			await new Promise((resolve) => setTimeout(resolve, 5));
		}
		// A machine whose every core is busy may be late now and then.
		assert.ok(gone <= seen / 10, `gone ${gone} of ${seen} times`);
	});

	for (const signal of ["SIGSTOP", "SIGKILL"] as const)
		it(`ends by itself after ${signal}, and new connections go past Envoy both ways`, async () => {
			assert.equal(await remote(client, pod.ip, 8080), "127.0.0.6");
			const startMs = performance.now();
			envoy?.kill(signal);
			const leftMs = path.leaseRemainingMs() ?? 0;
			await until(() => path.leaseRemainingMs() === undefined);
			const tookMs = performance.now() - startMs;
			assert.ok(leftMs <= leaseMs, `${leftMs} ms were left`);
			// Expiry is counted in ticks of the kernel's clock; the rest is what a busy machine takes to look.
			assert.ok(tookMs < leaseMs + 2_000, `${tookMs} ms`);
			assert.equal(await remote(client, pod.ip, 8080), client.ip);
			assert.equal(await remote(pod, client.ip, 9090), pod.ip);
		});

	it("is not missed while nobody watches: new connections wait for an Envoy that is late", async () => {
		assert.deepEqual(path.set({ sidecar: true, spare: false, direct: true, patient: true }), { ok: true });
		envoy?.kill("SIGSTOP");
		await until(() => path.leaseRemainingMs() === undefined);
		const asked = [remote(client, pod.ip, 8080), remote(pod, client.ip, 9090)];
		await new Promise((resolve) => setTimeout(resolve, 100));
		envoy?.kill("SIGCONT");
		assert.deepEqual(await Promise.all(asked), ["127.0.0.6", pod.ip]);
	});

	it("leaves established connections with Envoy, both ways, when new ones go elsewhere", async () => {
		const slow = (from: Host, host: string, port: number) =>
			from.run<{ body?: string }>({ op: "http", host, port, path: "/?slow=400" });
		const [inbound, outbound] = [slow(client, pod.ip, 8080), slow(pod, client.ip, 9090)];
		await new Promise((resolve) => setTimeout(resolve, 150));
		assert.deepEqual(path.set(closedPath), { ok: true });
		assert.match(await remote(client, pod.ip, 8080), /ECONNREFUSED/);
		assert.match(await remote(pod, client.ip, 9090), /ECONNREFUSED/);
		assert.match((await inbound).body ?? "", /"remoteAddress":"127\.0\.0\.6"/);
		assert.match((await outbound).body ?? "", /"name":"outside"/);
	});

	it("is kept while Envoy's main thread is busy with new configuration", async () => {
		// Enough to keep it busy for much longer than the lease.
		const resources = Array.from({ length: 3000 }, (_, index) => ({
			"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
			...staticCluster(`c${index}`, { host: "10.0.0.1", port: 80 }),
		}));
		writeFileSync(`${clustersFile}.new`, JSON.stringify({ resources }));
		renameSync(`${clustersFile}.new`, clustersFile);
		const activeClusters = async (): Promise<number> => {
			const stats = await envoyAdmin(join(rig.directory, "admin.sock")).get("/stats?filter=active_clusters");
			return parseStats(stats?.body ?? "").get("cluster_manager.active_clusters") ?? 0;
		};
		let isTaken = false;
		const taken = (async () => {
			while ((await activeClusters()) <= resources.length) await new Promise((resolve) => setTimeout(resolve, 10));
			isTaken = true;
		})();
		const untilMs = performance.now() + 1500;
		let longestMs = 0;
		let lastSeenMs = performance.now();
		while (performance.now() < untilMs || !isTaken) {
			if (path.leaseRemainingMs() !== undefined) lastSeenMs = performance.now();
			longestMs = Math.max(longestMs, performance.now() - lastSeenMs);
			await new Promise((resolve) => setTimeout(resolve, 2));
		}
		await taken;
		assert.ok(longestMs < 100, `without a lease for ${longestMs} ms`);
	});

	it("comes back when Envoy goes on", async () => {
		envoy?.kill("SIGSTOP");
		await until(() => path.leaseRemainingMs() === undefined);
		envoy?.kill("SIGCONT");
		await until(() => path.leaseRemainingMs() !== undefined);
		assert.equal(await remote(client, pod.ip, 8080), "127.0.0.6");
	});
});
