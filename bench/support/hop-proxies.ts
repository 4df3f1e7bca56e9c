// Starts Envoys in network namespaces with the redirect of a pod: some with a configuration of their own, some with one that
// is served to them as Keepmesh's control plane serves it, with the bootstrap that a pod gets.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { generateBootstrap } from "../../src/envoy/bootstrap/bootstrap.ts";
import { planRedirect } from "../../src/hotswitch/redirect-plan.ts";
import { renderRedirect } from "../../src/hotswitch/render-redirect.ts";
import { applyRedirect } from "../../src/kernel/namespace-redirect.ts";
import type { Proxy as MeshProxy } from "../../src/model/proxy.ts";
import { envoyBinary, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { envoyCommand } from "../../src/node/plan/envoy-command.ts";
import { realClock } from "../../src/runtime/clock.ts";
import type { ProxyConfig } from "../../src/xds/resource.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";

const run = promisify(execFile);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const metric = { add() {}, set() {}, observe() {} };
const metrics = { counter: () => metric, gauge: () => metric, histogram: () => metric };

export interface HopProxies {
	/** A namespace with the redirect of a pod and without an Envoy yet. */
	addPod(name: string, ip: string): Promise<Host>;
	/** Returns the process id of Envoy. */
	startEnvoy(host: Host, name: string, bootstrap: object): number;
	/** The bootstrap by which Envoy gets this configuration from here. */
	serve(proxy: MeshProxy, config: ProxyConfig): object;
	/** Resolves when a request from there is answered by 200. Throws after some seconds. */
	untilServing(
		from: Host,
		to: { readonly host: string; readonly port: number; readonly authority: string },
	): Promise<void>;
	/** Resolves when they are gone, so that their ports and sockets are free. */
	stopEnvoys(): Promise<void>;
	close(): Promise<void>;
}

export async function startHopProxies(rig: Rig): Promise<HopProxies> {
	const children = new Set<ChildProcess>();
	const configs = new Map<string, ProxyConfig>();
	const socketPath = join(rig.directory, "xds.sock");
	const server = await startXdsServer(
		{ listen: { socketPath } },
		{
			source: {
				connect: (node) => ({ ok: true, proxyId: node.id }),
				configFor: (proxyId) => configs.get(proxyId) ?? new Map(),
				disconnected() {},
			},
			clock: realClock,
			log: silent,
			metrics,
		},
	);
	// Envoy runs as its own user.
	chmodSync(socketPath, 0o777);
	const stopEnvoys = async (): Promise<void> => {
		const ended = [...children].map((child) => once(child, "exit"));
		for (const child of children) child.kill("SIGKILL");
		children.clear();
		await Promise.all(ended);
	};
	return {
		addPod: async (name, ip) => {
			const host = rig.addHost(name, ip);
			const { plan } = planRedirect({ owner: host.name, mode: "REDIRECT", ips: [ip], annotations: {} });
			const applied = await applyRedirect(host.netns, { ruleset: renderRedirect(plan), ipv6: false, lowPorts: false });
			if (!applied.ok) throw new Error(applied.message);
			return host;
		},
		startEnvoy: (host, name, bootstrap) => {
			const path = join(rig.directory, `${name}.json`);
			writeFileSync(path, JSON.stringify(bootstrap), { mode: 0o644 });
			const { file, args } = envoyCommand({
				envoy: envoyBinary,
				netns: host.netns,
				bootstrap: path,
				concurrency: 1,
				transparent: false,
				logLevel: "error",
			});
			const child = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
			if (child.pid === undefined) throw new Error("Envoy did not start");
			children.add(child);
			child.on("exit", () => children.delete(child));
			return child.pid;
		},
		serve: (proxy, config) => {
			configs.set(proxy.id, config);
			return generateBootstrap({
				node: { id: proxy.id, cluster: `${proxy.name}.${proxy.namespace}`, metadata: {}, locality: proxy.locality },
				xds: { socketPath },
			});
		},
		untilServing: async (from, { host, port, authority }) => {
			const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", `Host: ${authority}`];
			for (let attempt = 0; ; attempt++) {
				const { stdout } = await run("nsenter", [
					`--net=${from.netns}`,
					"--",
					...curl,
					`http://${host}:${port}/`,
				]).catch(() => ({ stdout: "000" }));
				if (stdout === "200") return;
				if (attempt > 100) throw new Error(`${from.name} gets no answer: ${stdout}`);
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
		},
		stopEnvoys,
		close: async () => {
			await stopEnvoys();
			await server.close();
		},
	};
}
