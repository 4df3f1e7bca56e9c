// A delta client for tests on a real connection, and a control plane whose configuration is set by hand.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { encodeDeltaRequest, type ResponseSummary, summarizeDeltaResponse } from "../relay-message.ts";
import type { ProxyConfig, TypeUrl } from "../resource.ts";
import type { XdsServer } from "./config-source.ts";
import { type AdsClientOptions, type AdsStream, openAdsStream } from "./xds-client.ts";
import { startXdsServer, type XdsServerOptions } from "./xds-server.ts";

/** An encoded Node with an id and `metadataBytes` of metadata. */
export function encodedNode(id: string, metadataBytes = 0): Uint8Array {
	const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(id);
	if (metadataBytes > 0) {
		writer.tag(3, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
		writer.tag(1, WireType.LengthDelimited).string("LABELS").tag(2, WireType.LengthDelimited).fork();
		writer.tag(3, WireType.LengthDelimited).string("x".repeat(metadataBytes)).join().join().join();
	}
	return writer.finish();
}

export interface Closed {
	readonly grpcStatus: number | undefined;
	readonly because: string;
}

export class TestClient {
	readonly stream: AdsStream;
	readonly closed: Promise<Closed>;
	/** By type: name -> version. */
	readonly held = new Map<TypeUrl, Map<string, string>>();
	readonly received: ResponseSummary[] = [];
	receivedBytes = 0;
	answers = true;
	#wake: () => void = () => {};

	constructor(to: AdsClientOptions["to"], tls?: AdsClientOptions["tls"]) {
		let onClosed: (closed: Closed) => void = () => {};
		this.closed = new Promise((resolve) => {
			onClosed = resolve;
		});
		this.stream = openAdsStream(
			{ to, ...(tls ? { tls } : {}) },
			{
				message: (bytes) => this.#take(bytes),
				closed: (grpcStatus, because) => {
					onClosed({ grpcStatus, because });
					this.#wake();
				},
			},
		);
	}

	ask(parts: Parameters<typeof encodeDeltaRequest>[0]): void {
		this.stream.send(encodeDeltaRequest(parts));
	}

	/** Resolves when `ready` holds, looked at after each message; fails after `limitMs`. */
	async until(ready: () => boolean, limitMs = 5_000): Promise<void> {
		const endMs = performance.now() + limitMs;
		while (!ready()) {
			const leftMs = endMs - performance.now();
			if (leftMs <= 0) throw new Error(`not within ${limitMs} ms: ${ready}`);
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, Math.min(leftMs, 20));
				this.#wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
	}

	#take(bytes: Uint8Array): void {
		this.receivedBytes += bytes.length;
		const response = summarizeDeltaResponse(bytes);
		this.received.push(response);
		const held = this.held.get(response.typeUrl) ?? new Map<string, string>();
		for (const { name, version } of response.resources) held.set(name, version);
		for (const name of response.removed) held.delete(name);
		this.held.set(response.typeUrl, held);
		if (this.answers) this.ask({ typeUrl: response.typeUrl, nonce: response.nonce });
		this.#wake();
	}
}

export interface TestControl {
	readonly server: XdsServer;
	readonly port: number;
	setConfig(config: ProxyConfig): void;
	/** How new it says that its state is; undefined: it says nothing of the kind. */
	revision: string | undefined;
	readonly connected: string[];
	readonly disconnected: string[];
}

export async function startTestControl(
	config: ProxyConfig,
	options: Partial<XdsServerOptions> = {},
): Promise<TestControl> {
	let current = config;
	const connected: string[] = [];
	const disconnected: string[] = [];
	const server = await startXdsServer(
		{ listen: { host: "127.0.0.1", port: 0 }, ...options },
		{
			clock: realClock,
			log: silentLog,
			metrics: noMetrics,
			source: {
				connect(node) {
					if (node.id.startsWith("stranger"))
						return { ok: false, grpcStatus: 7, because: `${node.id} is not known here` };
					connected.push(node.id);
					return { ok: true, proxyId: node.id };
				},
				configFor: () => current,
				revision: () => control.revision,
				disconnected: (proxyId) => void disconnected.push(proxyId),
			},
		},
	);
	const control: TestControl = {
		server,
		revision: undefined,
		port: "port" in server.address ? server.address.port : 0,
		setConfig(next) {
			current = next;
			server.publish();
		},
		connected,
		disconnected,
	};
	return control;
}
