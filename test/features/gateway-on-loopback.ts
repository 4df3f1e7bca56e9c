// A control plane and a gateway's Envoy on loopback, over one directory of resources: for what reaches outside the mesh by
// itself, such as the fetching of key sets. The control plane may be ended and begun again beside the running Envoy.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResourceItem } from "../../src/app/api/api-types.ts";
import type { ControlOptions } from "../../src/app/control/control-options.ts";
import { type RunningControl, startControl } from "../../src/app/control.ts";
import { generateBootstrap } from "../../src/envoy/bootstrap/bootstrap.ts";
import { envoyAdmin } from "../../src/node/envoy-admin.ts";
import { envoyBinary } from "../../src/node/namespace-rig.testing.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { type HttpAnswer, httpOver } from "./mesh-in-a-process.ts";

export class GatewayOnLoopback {
	readonly directory = mkdtempSync(join(tmpdir(), "keepmesh-gateway-"));
	readonly data = join(this.directory, "data");
	readonly #resources = mkdtempSync(join(tmpdir(), "keepmesh-gateway-resources-"));
	readonly #servers: Server[] = [];
	#control: RunningControl | undefined;
	#envoy: ChildProcess | undefined;

	/** Replaces the file as a whole. */
	write(name: string, text: string): void {
		const temporary = join(this.directory, "new.yaml");
		writeFileSync(temporary, text);
		renameSync(temporary, join(this.#resources, name));
	}

	remove(name: string): void {
		rmSync(join(this.#resources, name));
	}

	async startControl(options: Partial<ControlOptions> = {}): Promise<void> {
		this.#control = await startControl(
			{
				id: "test",
				version: "0",
				resources: [this.#resources],
				dataDirectory: this.data,
				trustDomain: "cluster.local",
				api: { host: "127.0.0.1", port: 0 },
				xdsSocket: this.#xdsSocket,
				...options,
			},
			{ log: silentLog },
		);
	}

	async stopControl(): Promise<void> {
		await this.#control?.close();
		this.#control = undefined;
		rmSync(this.#xdsSocket, { force: true });
	}

	/** An Envoy of a pod in istio-system with `istio: ingressgateway`; ready with what the control plane has for it. */
	async startEnvoy(): Promise<void> {
		const node = {
			id: "router~127.0.0.1~gateway.istio-system~istio-system.svc.cluster.local",
			cluster: "gateway.istio-system",
			metadata: { NAMESPACE: "istio-system", LABELS: { istio: "ingressgateway" } },
			locality: { region: "", zone: "", subzone: "" },
		};
		const bootstrap = join(this.directory, "bootstrap.json");
		const places = { xds: { socketPath: this.#xdsSocket }, admin: { socketPath: this.#adminSocket } };
		writeFileSync(bootstrap, JSON.stringify(generateBootstrap({ node, ...places, stats: null, readiness: null })));
		// Drains as a node's Envoys do.
		const drain = ["--drain-time-s", "45", "--drain-strategy", "immediate"];
		const args = ["-c", bootstrap, "-l", "error", "--disable-hot-restart", "--concurrency", "1", ...drain];
		const envoy = spawn(envoyBinary, args, { stdio: ["ignore", "ignore", "inherit"] });
		this.#envoy = envoy;
		await this.until(async () => {
			if (envoy.exitCode !== null) throw new Error(`Envoy exited with ${envoy.exitCode}`);
			return (await envoyAdmin(this.#adminSocket).get("/ready"))?.status === 200;
		}, "Envoy is ready");
	}

	async stopEnvoy(): Promise<void> {
		const envoy = this.#envoy;
		if (!envoy || envoy.exitCode !== null || envoy.signalCode !== null) return;
		const ended = once(envoy, "exit");
		envoy.kill("SIGKILL");
		await ended;
	}

	/** A server on loopback that says its name and what it received; resolves to its port. */
	async serve(name: string): Promise<number> {
		const server = createServer((incoming, response) => {
			response.end(JSON.stringify({ name, headers: incoming.headers, path: incoming.url }));
		});
		this.#servers.push(server);
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		return (server.address() as AddressInfo).port;
	}

	async ask(port: number, headers: Readonly<Record<string, string>> = {}, path = "/"): Promise<HttpAnswer> {
		const socket = connect(port, "127.0.0.1");
		await once(socket, "connect");
		return httpOver(socket, { host: "shop.example", headers, path });
	}

	async problemsOf(kind: string, name: string): Promise<readonly string[]> {
		const { items } = await this.api<{ readonly items: readonly ResourceItem[] }>(
			`/api/v1/resources?kind=${kind}&name=${name}`,
		);
		return items.flatMap((item) => item.status.problems.map(({ message }) => message));
	}

	async metrics(): Promise<string> {
		return (await fetch(`http://127.0.0.1:${this.#control?.apiPort}/metrics`)).text();
	}

	async envoyDump(): Promise<string> {
		return (await envoyAdmin(this.#adminSocket).get("/config_dump"))?.body ?? "";
	}

	/** The default is sooner than the files would be read again without a word of the kernel. */
	async until(is: () => boolean | Promise<boolean>, what: string, timeoutMs = 20_000): Promise<void> {
		const deadlineMs = performance.now() + timeoutMs;
		while (!(await is())) {
			if (performance.now() > deadlineMs) throw new Error(`never: ${what}`);
			await sleep(10);
		}
	}

	async close(): Promise<void> {
		await this.stopEnvoy();
		await this.stopControl();
		for (const server of this.#servers) server.close();
		for (const directory of [this.directory, this.#resources]) rmSync(directory, { recursive: true, force: true });
	}

	get #xdsSocket(): string {
		return join(this.directory, "xds.sock");
	}

	get #adminSocket(): string {
		return join(this.directory, "admin.sock");
	}

	async api<Answer>(path: string): Promise<Answer> {
		const response = await fetch(`http://127.0.0.1:${this.#control?.apiPort}${path}`);
		return (await response.json()) as Answer;
	}
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}
