// A control plane for tests: delta ADS that gives every proxy the same pass-through listeners and clusters.
// With `hold` it stays silent, so that a proxy is alive but not configured.

import { createServer, type ServerHttp2Stream } from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { packAny } from "../envoy/encode-resource.ts";
import {
	Cluster_DiscoveryType,
	Cluster_LbPolicy,
	ClusterSchema,
} from "../envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { TrafficDirection } from "../envoy/gen/envoy/config/core/v3/base_pb.ts";
import { ListenerSchema } from "../envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { OriginalDstSchema } from "../envoy/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { TcpProxySchema } from "../envoy/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import {
	DeltaDiscoveryRequestSchema,
	DeltaDiscoveryResponseSchema,
} from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import {
	encodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../hotswitch/hot-switch-policy-codec.ts";
import { encodeNameTable } from "../xds/name-table-codec.ts";
import { typeUrls } from "../xds/resource.ts";

export interface FakeControl {
	/** Listens on 127.0.0.1, on a free port when none is given. */
	listen(port?: number): Promise<number>;
	/** Node ids that connected, in order. */
	readonly nodes: readonly string[];
	/** Types that are not answered until release. */
	hold(...typeUrls: readonly string[]): void;
	release(): void;
	/** Gives a listener that Envoy refuses as well. */
	spoil(isSpoiled: boolean): void;
	/** What may be done for every proxy from its next connection on. Default: nothing is said. */
	allow(policy: HotSwitchPolicy | undefined): void;
	close(): void;
}

export function createFakeControl(): FakeControl {
	const nodes: string[] = [];
	const held = new Set<string>();
	const waiting: (() => void)[] = [];
	const streams = new Set<ServerHttp2Stream>();
	let policy: HotSwitchPolicy | undefined;
	let spoiled = false;
	const server = createServer();
	server.on("stream", (stream: ServerHttp2Stream, headers) => {
		streams.add(stream);
		stream.on("error", () => {}).on("close", () => streams.delete(stream));
		if (!headers[":path"]?.endsWith("/DeltaAggregatedResources")) {
			const unknown = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" };
			stream.respond(unknown, { endStream: true });
			return;
		}
		stream.respond({ ":status": 200, "content-type": "application/grpc" });
		const answered = new Set<string>();
		let buffered = Buffer.alloc(0);
		let nonce = 0;
		stream.on("data", (chunk: Buffer) => {
			buffered = Buffer.concat([buffered, chunk]);
			while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
				const end = 5 + buffered.readUInt32BE(1);
				const request = fromBinary(DeltaDiscoveryRequestSchema, buffered.subarray(5, end));
				buffered = buffered.subarray(end);
				if (request.node) nodes.push(request.node.id);
				const { typeUrl } = request;
				if (answered.has(typeUrl)) continue;
				answered.add(typeUrl);
				const answer = (): void => {
					const bytes = toBinary(
						DeltaDiscoveryResponseSchema,
						create(DeltaDiscoveryResponseSchema, {
							typeUrl,
							nonce: String(nonce++),
							resources: [
								...resourcesOf(typeUrl, policy),
								...(spoiled && typeUrl === typeUrls.listener ? [broken] : []),
							],
						}),
					);
					const head = Buffer.alloc(5);
					head.writeUInt32BE(bytes.length, 1);
					if (!stream.destroyed) stream.write(Buffer.concat([head, bytes]));
				};
				if (held.has(typeUrl)) waiting.push(answer);
				else answer();
			}
		});
	});
	return {
		listen: (port = 0) =>
			new Promise((resolve) => {
				server.listen(port, "127.0.0.1", () => {
					const address = server.address();
					resolve(typeof address === "object" && address ? address.port : 0);
				});
			}),
		nodes,
		hold: (...types) => {
			for (const type of types) held.add(type);
		},
		release: () => {
			held.clear();
			for (const answer of waiting.splice(0)) answer();
		},
		spoil: (isSpoiled) => {
			spoiled = isSpoiled;
		},
		allow: (given) => {
			policy = given;
		},
		close: () => {
			server.close();
			for (const stream of streams) stream.session?.destroy();
		},
	};
}

function resourcesOf(typeUrl: string, policy: HotSwitchPolicy | undefined) {
	const named = (name: string, resource: ReturnType<typeof packAny>) => ({ name, version: "1", resource });
	switch (typeUrl) {
		case typeUrls.cluster:
			return [
				named("outbound", packAny(ClusterSchema, originalDestination("outbound"))),
				named("inbound", packAny(ClusterSchema, originalDestination("inbound", "127.0.0.6"))),
			];
		case typeUrls.listener:
			return [
				named("virtualOutbound", packAny(ListenerSchema, passThrough("outbound", 15_001, false))),
				named("virtualInbound", packAny(ListenerSchema, passThrough("inbound", 15_006, true))),
			];
		case typeUrls.nameTable:
			return [
				{
					name: "names",
					version: "1",
					resource: create(AnySchema, {
						typeUrl,
						value: encodeNameTable(
							new Map([
								["app.default.svc.cluster.local", { ips: ["10.96.0.7"], registry: "", shortname: "", namespace: "" }],
							]),
						),
					}),
				},
			];
		case hotSwitchPolicyTypeUrl:
			return policy
				? [
						{
							name: hotSwitchPolicyName,
							version: "1",
							resource: create(AnySchema, { typeUrl, value: encodeHotSwitchPolicy(policy) }),
						},
					]
				: [];
		default:
			return [];
	}
}

const broken = { name: "broken", version: "1", resource: packAny(ListenerSchema, { name: "broken" }) };

function originalDestination(name: string, source?: string) {
	return {
		name,
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
		lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
		...(source ? { upstreamBindConfig: { sourceAddress: address(source, 0) } } : {}),
	} as const;
}

function passThrough(name: string, port: number, transparent: boolean) {
	return {
		name,
		address: { address: { case: "socketAddress", value: address("0.0.0.0", port) } },
		transparent,
		trafficDirection: port === 15_006 ? TrafficDirection.INBOUND : TrafficDirection.OUTBOUND,
		listenerFilters: [{ name: "od", configType: { case: "typedConfig", value: packAny(OriginalDstSchema, {}) } }],
		filterChains: [
			{
				filters: [
					{
						name: "tcp",
						configType: {
							case: "typedConfig",
							value: packAny(TcpProxySchema, { statPrefix: name, clusterSpecifier: { case: "cluster", value: name } }),
						},
					},
				],
			},
		],
	} satisfies MessageInitShape<typeof ListenerSchema>;
}

function address(host: string, port: number) {
	return { address: host, portSpecifier: { case: "portValue", value: port } } as const;
}
