import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aMeshConfig } from "../model/model.testing.ts";
import type { MeshConfigSpec } from "../resources/kinds/keepmesh.ts";
import { meshSettingsOf } from "./mesh-config.ts";

const settingsOf = (spec: MeshConfigSpec) => meshSettingsOf(aMeshConfig(spec), "cluster.local");

describe("the security settings of a mesh", () => {
	it("are mutual TLS wherever it is possible, TLS 1.2 and plain paths when nobody says otherwise", () => {
		const { autoMtls, minTlsVersion, pathNormalization, authorizationProviders } = settingsOf({});
		assert.deepEqual([autoMtls, minTlsVersion, pathNormalization, authorizationProviders], [true, "1.2", "BASE", []]);
	});

	it("are those of the MeshConfig", () => {
		const settings = settingsOf({
			trustDomain: "new.example",
			trustDomainAliases: ["old.example"],
			enableAutoMtls: false,
			meshMTLS: { minProtocolVersion: "TLSV1_3" },
			pathNormalization: { normalization: "DECODE_AND_MERGE_SLASHES" },
		});
		const { trustDomain, trustDomainAliases, autoMtls, minTlsVersion, pathNormalization } = settings;
		assert.deepEqual(
			[trustDomain, trustDomainAliases, autoMtls, minTlsVersion, pathNormalization],
			["new.example", ["old.example"], false, "1.3", "DECODE_AND_MERGE_SLASHES"],
		);
	});

	it("take DEFAULT for BASE, and TLS_AUTO for 1.2", () => {
		const settings = settingsOf({
			meshMTLS: { minProtocolVersion: "TLS_AUTO" },
			pathNormalization: { normalization: "DEFAULT" },
		});
		assert.deepEqual([settings.minTlsVersion, settings.pathNormalization], ["1.2", "BASE"]);
	});

	it("know external authorisers with Istio's defaults, by host or by namespace and host", () => {
		const { authorizationProviders } = settingsOf({
			extensionProviders: [
				{ name: "tracing" },
				{ name: "grpc", envoyExtAuthzGrpc: { service: "auth.foo.svc.cluster.local", port: 9000 } },
				{
					name: "http",
					envoyExtAuthzHttp: {
						service: "foo/auth.example.com",
						port: 8000,
						timeout: "1.5s",
						failOpen: true,
						statusOnError: "503",
						includeHeadersInCheck: ["x-old"],
						includeRequestBodyInCheck: { maxRequestBytes: 100 },
					},
				},
			],
		});
		const [grpc, http, ...others] = authorizationProviders;
		assert.deepEqual(others, [], "a provider of another type is no authoriser");
		assert.deepEqual(grpc, {
			name: "grpc",
			protocol: "grpc",
			host: "auth.foo.svc.cluster.local",
			port: 9000,
			timeoutMs: 600_000,
			failOpen: false,
			statusOnError: 403,
			clearRouteCache: false,
			pathPrefix: "",
			includeRequestHeadersInCheck: [],
			includeAdditionalHeadersInCheck: {},
			headersToUpstreamOnAllow: [],
			headersToDownstreamOnDeny: [],
			headersToDownstreamOnAllow: [],
		});
		assert.deepEqual(
			[http?.host, http?.namespace, http?.timeoutMs, http?.failOpen, http?.statusOnError],
			["auth.example.com", "foo", 1500, true, 503],
		);
		assert.deepEqual(http?.includeRequestHeadersInCheck, ["x-old"]);
		assert.deepEqual(http?.includeRequestBodyInCheck, {
			maxRequestBytes: 100,
			allowPartialMessage: false,
			packAsBytes: false,
		});
	});
});
