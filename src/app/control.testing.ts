// For tests: a control plane on free ports over a directory of its own, and a delta-ADS client that takes everything.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import {
	DeltaDiscoveryRequestSchema,
	DeltaDiscoveryResponseSchema,
} from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { silentLog } from "../runtime/log.ts";
import { typeUrls } from "../xds/resource.ts";
import { type AdsStream, openAdsStream } from "../xds/wire/xds-client.ts";
import type { ControlOptions } from "./control/control-options.ts";
import { type RunningControl, startControl } from "./control.ts";

export class ControlRig {
	readonly directory = mkdtempSync(join(tmpdir(), "keepmesh-control-"));
	readonly #clients: DeltaClient[] = [];
	#control: RunningControl | undefined;

	/** Replaces the file by rename, as `mv` does. */
	write(name: string, text: string): void {
		const temporary = join(this.directory, `.${name}.new`);
		writeFileSync(temporary, text);
		renameSync(temporary, join(this.directory, name));
	}

	remove(name: string): void {
		rmSync(join(this.directory, name));
	}

	async start(options: Partial<ControlOptions> = {}): Promise<void> {
		this.#control = await startControl(
			{
				id: "test",
				version: "0",
				resources: [this.directory],
				trustDomain: "cluster.local",
				api: { host: "127.0.0.1", port: 0 },
				insecureXds: { host: "127.0.0.1", port: 0 },
				...options,
			},
			{ log: silentLog },
		);
	}

	get apiUrl(): string {
		return `http://127.0.0.1:${this.#running().apiPort}`;
	}

	get xdsPort(): number {
		return this.#running().xdsPort ?? 0;
	}

	get secureXdsPort(): number {
		return this.#running().secureXdsPort ?? 0;
	}

	connect(nodeId: string, metadata: JsonObject = {}): DeltaClient {
		const client = new DeltaClient(this.xdsPort, nodeId, metadata);
		this.#clients.push(client);
		return client;
	}

	async api<Answer>(path: string, init: RequestInit = {}): Promise<{ status: number; body: Answer }> {
		const response = await fetch(this.apiUrl + path, init);
		return { status: response.status, body: (await response.json()) as Answer };
	}

	async close(): Promise<void> {
		for (const client of this.#clients) client.close();
		await this.#control?.close();
		rmSync(this.directory, { recursive: true, force: true });
	}

	#running(): RunningControl {
		if (!this.#control) throw new Error("not started");
		return this.#control;
	}
}

/** Subscribes to everything that it learns of, as Envoy does, and acknowledges it unless told to refuse. */
export class DeltaClient {
	/** Type -> name -> version. */
	readonly have = new Map<string, Map<string, string>>();
	/** Bytes of the resources, by name. */
	readonly bytes = new Map<string, Uint8Array>();
	/** Says why a resource is refused; undefined accepts it. */
	refuse: (typeUrl: string, name: string) => string | undefined = () => undefined;
	/** Responses that it refused. */
	refusals = 0;
	onUpdate: () => void = () => {};
	readonly #stream: AdsStream;
	readonly #subscribed = new Map<string, Set<string>>();

	/** `server`: a port of this host, or the path of a socket. */
	constructor(server: number | string, nodeId: string, metadata: JsonObject) {
		this.#stream = openAdsStream(
			{ to: typeof server === "string" ? { socketPath: server } : { host: "127.0.0.1", port: server } },
			{ message: (bytes) => this.#onMessage(bytes), closed: () => {} },
		);
		const node = { id: nodeId, metadata, userAgentName: "envoy" };
		this.#send({ typeUrl: typeUrls.cluster, node });
		this.#send({ typeUrl: typeUrls.listener });
	}

	names(typeUrl: string): readonly string[] {
		return [...(this.have.get(typeUrl)?.keys() ?? [])].sort();
	}

	text(name: string): string {
		return Buffer.from(this.bytes.get(name) ?? []).toString("latin1");
	}

	/** The default is sooner than the files would be read again without a word of the kernel. */
	async until(is: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
		if (is()) return;
		await new Promise<void>((done, fail) => {
			const timer = setTimeout(() => fail(new Error(`never: ${what}`)), timeoutMs);
			this.onUpdate = () => {
				if (!is()) return;
				clearTimeout(timer);
				this.onUpdate = () => {};
				done();
			};
		});
	}

	close(): void {
		this.#stream.close();
	}

	#onMessage(bytes: Uint8Array): void {
		const response = fromBinary(DeltaDiscoveryResponseSchema, bytes);
		const { typeUrl, nonce } = response;
		const have = this.have.get(typeUrl) ?? new Map<string, string>();
		this.have.set(typeUrl, have);
		const refusals: string[] = [];
		for (const { name, version, resource } of response.resources) {
			const refusal = this.refuse(typeUrl, name);
			if (refusal) {
				refusals.push(`${name}: ${refusal}`);
				continue;
			}
			have.set(name, version);
			this.bytes.set(name, resource?.value ?? new Uint8Array());
		}
		for (const name of response.removedResources) have.delete(name);
		if (refusals.length > 0) this.refusals++;
		const errorDetail = refusals.length > 0 ? { code: 3, message: refusals.join("; ") } : undefined;
		this.#send({ typeUrl, responseNonce: nonce, ...(errorDetail ? { errorDetail } : {}) });
		if (typeUrl === typeUrls.cluster)
			this.#follow(
				typeUrls.endpoints,
				this.names(typeUrl).filter((name) => name.includes("|")),
			);
		if (typeUrl === typeUrls.listener) this.#follow(typeUrls.route, this.#routesOfListeners());
		this.onUpdate();
	}

	/** Route tables are named after ports, or host:port. */
	#routesOfListeners(): readonly string[] {
		const ports = this.names(typeUrls.listener).flatMap((name) => /^0\.0\.0\.0_(\d+)$/.exec(name)?.[1] ?? []);
		return ports;
	}

	#follow(typeUrl: string, names: readonly string[]): void {
		const known = this.#subscribed.get(typeUrl) ?? new Set<string>();
		const added = names.filter((name) => !known.has(name));
		if (added.length === 0) return;
		this.#subscribed.set(typeUrl, new Set([...known, ...added]));
		this.#send({ typeUrl, resourceNamesSubscribe: added });
	}

	#send(request: Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1]): void {
		this.#stream.send(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)));
	}
}
