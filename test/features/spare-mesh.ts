// Pods without Envoys of their own, served by one spare Envoy in a network namespace apart, over delta ADS. The pods'
// connections are redirected to the spare's ports, as they are while a sidecar is down.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import type { Server as TcpServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { generateBootstrap } from "../../src/envoy/bootstrap/bootstrap.ts";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import { type WorkloadKeyPair, workloadSecrets } from "../../src/envoy/secret/workload-secrets.ts";
import { proxyUid } from "../../src/hotswitch/render-redirect.ts";
import { joinConfigs } from "../../src/hotswitch/spare/join-configs.ts";
import { SpareConfig } from "../../src/hotswitch/spare/spare-config.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { envoyAdmin } from "../../src/node/envoy-admin.ts";
import { createRig, envoyBinary, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import { type ProxyConfig, typeUrls } from "../../src/xds/resource.ts";
import type { XdsServer } from "../../src/xds/wire/config-source.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";
import { listenInNamespace } from "./in-namespace.ts";
import { type HttpAnswer, type HttpAsk, httpOver } from "./mesh-in-a-process.ts";

export interface SparePodOptions {
	readonly interception: "REDIRECT" | "TPROXY";
	readonly certificate: WorkloadKeyPair;
}

const spareId = "sidecar~10.77.0.254~spare.keepmesh~keepmesh.svc.cluster.local";

export class SpareMesh {
	readonly #rig: Rig = createRig();
	readonly #snapshot: Snapshot;
	readonly #pods = new Map<string, ProxyConfig>();
	readonly #servers: TcpServer[] = [];
	#xds: XdsServer | undefined;
	#envoy: ChildProcess | undefined;

	constructor(resources: string) {
		chmodSync(this.#rig.directory, 0o777);
		const { objects, problems } = readResourceFile("test.yaml", resources);
		if (problems.length > 0) throw new Error(JSON.stringify(problems));
		const changes = objects.map((object) => ({ type: "objectApplied" as const, object }));
		this.#snapshot = applyChanges(emptySnapshot(), changes).snapshot;
	}

	addHost(name: string, ip: string): Host {
		return this.#rig.addHost(name, ip);
	}

	/** A pod of that name in namespace `default`; the spare gets it with the next publication. */
	addPod(name: string, ip: string, { interception, certificate }: SparePodOptions): Host {
		const host = this.#rig.addHost(name, ip);
		const made = proxyFromNode({
			id: `sidecar~${ip}~${name}.default~default.svc.cluster.local`,
			metadata: {
				NAMESPACE: "default",
				LABELS: { app: name },
				INTERCEPTION_MODE: interception,
				KEEPMESH_SDS: "true",
			},
		});
		if (!made.ok) throw new Error(made.because);
		const config = generateProxyConfig(made.proxy, viewFor(this.#snapshot, made.proxy));
		const own = workloadSecrets(certificate).get(typeUrls.secret)?.parts ?? [];
		const parts = [...(config.get(typeUrls.secret)?.parts ?? []), ...own];
		const whole = new Map(config).set(typeUrls.secret, { typeUrl: typeUrls.secret, parts });
		const outcome = new SpareConfig({ uid: `uid-${name}`, netns: host.netns }).of(whole);
		if (!outcome.ok) throw new Error(outcome.because);
		this.#pods.set(name, outcome.config);
		execFileSync("nsenter", [`--net=${host.netns}`, "--", "nft", "-f", "-"], { input: redirectToSpare(interception) });
		return host;
	}

	/** The spare takes nothing more of the pod's. */
	dropPod(name: string): Promise<void> {
		this.#pods.delete(name);
		return this.publish();
	}

	removeHost(host: Host): void {
		this.#rig.removeHost(host);
	}

	/** `capabilities`: what Envoy keeps of root's. */
	async start(capabilities: readonly string[] = ["net_admin", "sys_admin"]): Promise<void> {
		const socket = join(this.#rig.directory, "xds.sock");
		this.#xds = await startXdsServer(
			{ listen: { socketPath: socket } },
			{
				source: {
					connect: ({ id }) => ({ ok: true, proxyId: id }),
					configFor: () => joinConfigs(this.#pods.values()),
					disconnected: () => {},
				},
				clock: realClock,
				log: silentLog,
				metrics: createMetrics(),
			},
		);
		chmodSync(socket, 0o777);
		const host = this.#rig.addHost("spare", "10.77.0.254");
		const bootstrap = join(this.#rig.directory, "spare.json");
		const node = { id: spareId, cluster: "spare", metadata: {}, locality: { region: "", zone: "", subzone: "" } };
		const place = { node, xds: { socketPath: socket }, admin: { socketPath: this.#adminSocket } };
		writeFileSync(bootstrap, JSON.stringify(generateBootstrap(place)));
		const given = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
		const user = ["--reuid", String(proxyUid), "--regid", String(proxyUid), "--clear-groups", "--no-new-privs"];
		const caps = ["--inh-caps", given, "--ambient-caps", given, "--bounding-set", given];
		const options = ["--disable-hot-restart", "--concurrency", "1", "--drain-time-s", "1", "--log-level", "critical"];
		this.#envoy = spawn(
			"nsenter",
			[`--net=${host.netns}`, "--", "setpriv", ...user, ...caps, "--", envoyBinary, "-c", bootstrap, ...options],
			{ stdio: ["ignore", "ignore", "inherit"] },
		);
		await this.#confirmed();
	}

	async publish(): Promise<void> {
		this.#xds?.publish();
		await this.#confirmed();
	}

	/** What Envoy said of what it did not take. */
	rejections(): readonly string[] {
		return (this.#xds?.sessions() ?? []).flatMap(({ types }) => types.flatMap(({ error }) => error?.message ?? []));
	}

	get isAlive(): boolean {
		return this.#envoy?.exitCode === null && this.#envoy.signalCode === null;
	}

	serve(server: TcpServer, host: Host, port: number): void {
		listenInNamespace(server, host.netns, port);
		this.#servers.push(server);
	}

	async http(from: Host, address: string, port: number, ask: HttpAsk = {}): Promise<HttpAnswer> {
		return httpOver(await connectInNamespace(from.netns, { host: address, port }, 2000), ask);
	}

	async close(): Promise<void> {
		for (const server of this.#servers) server.close();
		const envoy = this.#envoy;
		if (envoy && this.isAlive) {
			const ended = once(envoy, "exit");
			envoy.kill("SIGKILL");
			await ended;
		}
		await this.#xds?.close();
		this.#rig.close();
		rmSync(this.#rig.directory, { recursive: true, force: true });
	}

	get #adminSocket(): string {
		return join(this.#rig.directory, "admin.sock");
	}

	/** Returns when the spare has answered for everything, and works when it took it. */
	async #confirmed(): Promise<void> {
		for (let attempt = 0; attempt < 1000; attempt++) {
			if (!this.isAlive) throw new Error(`the spare ended with ${this.#envoy?.exitCode ?? this.#envoy?.signalCode}`);
			if (this.rejections().length > 0) return;
			const types = (this.#xds?.sessions() ?? []).flatMap((session) => session.types);
			const isTaken = types.length > 0 && types.every(({ sync, resources }) => sync === "SYNCED" || resources === 0);
			if (isTaken && (await envoyAdmin(this.#adminSocket).get("/ready"))?.status === 200) return;
			await sleep(10);
		}
		throw new Error("the spare does not confirm");
	}
}

/** What Envoy connects as its own user is not caught again. */
function redirectToSpare(interception: SparePodOptions["interception"]): string {
	const inbound =
		interception === "TPROXY"
			? `type filter hook prerouting priority mangle; iif lo return; meta l4proto tcp fib daddr type local tproxy ip to :15106`
			: `type nat hook prerouting priority dstnat; meta l4proto tcp redirect to :15106`;
	return `table ip spare {
	chain inbound { ${inbound}; }
	chain outbound {
		type nat hook output priority -100;
		meta skuid ${proxyUid} return;
		ip daddr 127.0.0.0/8 return;
		meta l4proto tcp redirect to :15101;
	}
}
`;
}
