// One Envoy of a mesh in a process: in a host of its own, behind the real redirect, with what the snapshot means for it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { generateBootstrap } from "../../src/envoy/bootstrap/bootstrap.ts";
import { findDanglingReferences } from "../../src/envoy/find-dangling-references.ts";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import { type WorkloadKeyPair, workloadSecrets } from "../../src/envoy/secret/workload-secrets.ts";
import { planRedirect } from "../../src/hotswitch/redirect-plan.ts";
import { renderRedirect } from "../../src/hotswitch/render-redirect.ts";
import { applyRedirect } from "../../src/kernel/namespace-redirect.ts";
import type { Proxy as MeshProxy } from "../../src/model/proxy.ts";
import { envoyAdmin } from "../../src/node/envoy-admin.ts";
import { envoyBinary, type Host } from "../../src/node/namespace-rig.testing.ts";
import { envoyCommand } from "../../src/node/plan/envoy-command.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import { type ProxyConfig, typeUrls } from "../../src/xds/resource.ts";

export interface ProxyOptions {
	/** Default `sidecar`. A router has no redirect. */
	readonly type?: "sidecar" | "router";
	readonly interception?: "REDIRECT" | "TPROXY";
	/** Default `app` and the proxy's name. */
	readonly labels?: Readonly<Record<string, string>>;
	/** The workload's certificate, served to its Envoy as its node would. Absent: it has none. */
	readonly certificate?: WorkloadKeyPair;
	/** How long a connection may go on after its listener, or its filter chain, is gone. Default: as in production. */
	readonly drainSeconds?: number;
}

export class RunningProxy {
	readonly id: string;
	readonly host: Host;
	readonly #name: string;
	readonly #options: ProxyOptions;
	readonly #metadata: Readonly<Record<string, unknown>>;
	readonly #proxy: MeshProxy;
	readonly #adminSocket: string;
	#certificate: WorkloadKeyPair | undefined;
	#config: ProxyConfig | undefined;
	#envoy: ChildProcess | undefined;

	/** A proxy of a pod with that name in namespace `default`. Files of it lie in the directory. */
	constructor(name: string, host: Host, directory: string, options: ProxyOptions) {
		const { type = "sidecar", interception = "REDIRECT", labels = { app: name }, certificate } = options;
		this.#name = name;
		this.host = host;
		this.#options = options;
		this.#certificate = certificate;
		this.#adminSocket = join(directory, `${name}-admin.sock`);
		this.id = `${type}~${host.ip}~${name}.default~default.svc.cluster.local`;
		this.#metadata = {
			NAMESPACE: "default",
			LABELS: labels,
			INTERCEPTION_MODE: interception,
			...(certificate && { KEEPMESH_SDS: "true" }),
		};
		const made = proxyFromNode({ id: this.id, metadata: this.#metadata });
		if (!made.ok) throw new Error(made.because);
		this.#proxy = made.proxy;
	}

	get config(): ProxyConfig | undefined {
		return this.#config;
	}

	/** Another certificate for the same workload, at the next publication. */
	set certificate(certificate: WorkloadKeyPair) {
		this.#certificate = certificate;
	}

	generate(snapshot: Snapshot): void {
		const config = generateProxyConfig(this.#proxy, viewFor(snapshot, this.#proxy));
		const dangling = findDanglingReferences(config);
		if (dangling.length > 0) throw new Error(dangling.join("\n"));
		const own = this.#certificate && workloadSecrets(this.#certificate).get(typeUrls.secret);
		const parts = [...(config.get(typeUrls.secret)?.parts ?? []), ...(own?.parts ?? [])];
		this.#config = own ? new Map(config).set(typeUrls.secret, { typeUrl: typeUrls.secret, parts }) : config;
	}

	async start(directory: string, xdsSocket: string): Promise<void> {
		const { type = "sidecar", interception = "REDIRECT", drainSeconds } = this.#options;
		const bootstrap = join(directory, `${this.#name}-bootstrap.json`);
		const node = {
			id: this.id,
			cluster: `${this.#name}.default`,
			metadata: this.#metadata,
			locality: { region: "", zone: "", subzone: "" },
		};
		const place = { node, xds: { socketPath: xdsSocket }, admin: { socketPath: this.#adminSocket } };
		writeFileSync(bootstrap, JSON.stringify(generateBootstrap(place)));
		if (type === "sidecar") await this.#redirect(interception);
		const { file, args } = envoyCommand({
			envoy: envoyBinary,
			netns: this.host.netns,
			bootstrap,
			concurrency: 1,
			transparent: interception === "TPROXY",
			logLevel: "error",
			...(drainSeconds !== undefined && { drainSeconds }),
		});
		this.#envoy = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
	}

	/** `check` runs between the attempts, and throws when waiting is in vain. */
	async ready(check: () => void): Promise<void> {
		const admin = envoyAdmin(this.#adminSocket);
		const endMs = performance.now() + 30_000;
		while (performance.now() < endMs) {
			if (this.#envoy?.exitCode !== null) throw new Error(`Envoy exited with ${this.#envoy?.exitCode}`);
			if ((await admin.get("/ready"))?.status === 200) return;
			check();
			await sleep(10);
		}
		throw new Error(`the Envoy of ${this.#name} is not ready`);
	}

	/** The body of an answer of Envoy's admin interface, `/stats?filter=...`. */
	async admin(path: string): Promise<string> {
		return (await envoyAdmin(this.#adminSocket).get(path))?.body ?? "";
	}

	async stop(): Promise<void> {
		const envoy = this.#envoy;
		if (!envoy || envoy.exitCode !== null || envoy.signalCode !== null) return;
		const ended = once(envoy, "exit");
		envoy.kill("SIGKILL");
		await ended;
	}

	async #redirect(mode: "REDIRECT" | "TPROXY"): Promise<void> {
		const { plan } = planRedirect({ owner: `default/${this.#name}`, mode, ips: [this.host.ip], annotations: {} });
		const ruleset = renderRedirect(plan);
		const applied = await applyRedirect(this.host.netns, { ruleset, ipv6: false, lowPorts: false });
		if (!applied.ok) throw new Error(`${applied.message}: ${applied.hint}`);
	}
}
