// What a cluster speaks to its endpoints -> the HttpProtocolOptions extension.

import type { Any } from "@bufbuild/protobuf/wkt";
import type { Protocol } from "../../model/service.ts";
import type { ConnectionPool } from "../../resources/kinds/networking.ts";
import { packAny } from "../encode-resource.ts";
import {
	type HttpProtocolOptions_UseDownstreamHttpConfigSchema,
	HttpProtocolOptionsSchema,
} from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { connectionLimits } from "./connection-pool.ts";

type OptionsInit = MessageFields<typeof HttpProtocolOptionsSchema>;

/** `downstream`: the same HTTP version as the client's connection. `default`: HTTP/1.1, or no HTTP at all. */
export type UpstreamProtocol = "http2" | "downstream" | "default";

const downstreamConfig: MessageFields<typeof HttpProtocolOptions_UseDownstreamHttpConfigSchema> = {
	httpProtocolOptions: {},
	http2ProtocolOptions: {},
};

export function upstreamProtocol(
	protocol: Protocol,
	pool: ConnectionPool | undefined,
	sniffs: boolean,
): UpstreamProtocol {
	if (pool?.http?.h2UpgradePolicy === "UPGRADE") return "http2";
	if (pool?.http?.useClientProtocol) return "downstream";
	if (protocol === "HTTP2" || protocol === "GRPC" || protocol === "GRPC-WEB") return "http2";
	return protocol === "AUTO" && sniffs ? "downstream" : "default";
}

export interface UpstreamHttp {
	readonly protocol: UpstreamProtocol;
	readonly pool?: ConnectionPool;
	/** SNI from the request's host. */
	readonly autoSni?: boolean;
	/** The certificate must name the SNI. */
	readonly autoSanValidation?: boolean;
}

/** Extensions for a cluster; undefined when the defaults say it all. */
export function httpProtocolOptions(http: UpstreamHttp): { readonly [name: string]: Any } | undefined {
	const limits = connectionLimits(http.pool);
	if (http.protocol === "default" && !limits && !http.autoSni && !http.autoSanValidation) return undefined;
	const init: OptionsInit = {
		...(limits && { commonHttpProtocolOptions: limits }),
		...((http.autoSni || http.autoSanValidation) && {
			upstreamHttpProtocolOptions: {
				autoSni: http.autoSni ?? false,
				autoSanValidation: http.autoSanValidation ?? false,
			},
		}),
		upstreamProtocolOptions: protocolOptions(http.protocol, http.pool?.http?.maxConcurrentStreams),
	};
	return httpProtocolExtension(init);
}

export function httpProtocolExtension(init: OptionsInit): { readonly [name: string]: Any } {
	return { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": packAny(HttpProtocolOptionsSchema, init) };
}

export function protocolOptions(
	protocol: UpstreamProtocol,
	maxConcurrentStreams?: number,
): NonNullable<OptionsInit["upstreamProtocolOptions"]> {
	switch (protocol) {
		case "http2":
			return {
				case: "explicitHttpConfig",
				value: {
					protocolConfig: {
						case: "http2ProtocolOptions",
						value: { maxConcurrentStreams: maxConcurrentStreams || undefined },
					},
				},
			};
		case "downstream":
			return { case: "useDownstreamProtocolConfig", value: downstreamConfig };
		case "default":
			return { case: "explicitHttpConfig", value: { protocolConfig: { case: "httpProtocolOptions", value: {} } } };
		default:
			return protocol satisfies never;
	}
}
