import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { encodeResource, packAny, resourcePart } from "../../envoy/encode-resource.ts";
import { ListenerSchema } from "../../envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { HttpConnectionManagerSchema } from "../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { TcpProxySchema } from "../../envoy/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { SecretSchema } from "../../envoy/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { tokenFilters } from "../../envoy/security/token-filters.ts";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { typeUrls } from "../../xds/resource.ts";
import { AnyRegistry } from "./any-registry.ts";
import { configToJson } from "./config-json.ts";

describe("configuration as JSON", () => {
	it("shows typed configuration inside, and loads the types that it meets", async () => {
		const tcp = packAny(TcpProxySchema, { statPrefix: "s", clusterSpecifier: { case: "cluster", value: "c" } });
		const filter = { name: "tcp", configType: { case: "typedConfig", value: tcp } } as const;
		const listener = encodeResource(ListenerSchema, "l", { name: "l", filterChains: [{ filters: [filter] }] });
		const config = new Map([[typeUrls.listener, { typeUrl: typeUrls.listener, parts: [resourcePart([listener])] }]]);
		const json = await configToJson(config, new AnyRegistry(), ["listeners"]);
		const typed = {
			"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
			statPrefix: "s",
			cluster: "c",
		};
		assert.deepEqual(json, {
			listeners: [{ name: "l", filterChains: [{ filters: [{ name: "tcp", typedConfig: typed }] }] }],
		});
	});

	it("shows certificates and hides private keys", async () => {
		const secret = encodeResource(SecretSchema, "s", {
			name: "s",
			type: {
				case: "tlsCertificate",
				value: {
					certificateChain: { specifier: { case: "inlineString", value: "CERTIFICATE" } },
					privateKey: { specifier: { case: "inlineString", value: "PRIVATE" } },
				},
			},
		});
		const config = new Map([[typeUrls.secret, { typeUrl: typeUrls.secret, parts: [resourcePart([secret])] }]]);
		const { secrets = [] } = await configToJson(config, new AnyRegistry(), ["secrets"]);
		const [shown] = secrets as readonly JsonObject[];
		assert.deepEqual(shown?.tlsCertificate, {
			certificateChain: { inlineString: "CERTIFICATE" },
			privateKey: { inlineString: "[redacted]" },
		});
	});

	it("shows public keys of token issuers and hides symmetric ones", async () => {
		const keys = JSON.stringify({
			keys: [
				{ kty: "oct", kid: "s", k: "SECRET" },
				{ kty: "RSA", n: "PUBLIC", e: "AQAB" },
			],
		});
		const rule = { source: "RequestAuthentication/a/b", issuer: "i", jwks: keys, keys } as const;
		const httpFilters = [...tokenFilters([rule], defaultMeshSettings)];
		const manager = packAny(HttpConnectionManagerSchema, { statPrefix: "s", httpFilters });
		const filter = { name: "http", configType: { case: "typedConfig", value: manager } } as const;
		const listener = encodeResource(ListenerSchema, "l", { name: "l", filterChains: [{ filters: [filter] }] });
		const config = new Map([[typeUrls.listener, { typeUrl: typeUrls.listener, parts: [resourcePart([listener])] }]]);
		const text = JSON.stringify(await configToJson(config, new AnyRegistry(), ["listeners"]));
		assert.match(text, /PUBLIC/);
		assert.match(text, /redacted/);
		assert.doesNotMatch(text, /SECRET/);
	});
});
