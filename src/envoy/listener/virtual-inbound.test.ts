import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings, type MeshSettings } from "../../model/mesh-settings.ts";
import { aMeshService, anInboundView, aServicePort } from "../../model/model.testing.ts";
import type { InboundMtls, WorkloadSecurity } from "../../model/security.ts";
import type { Protocol } from "../../model/service.ts";
import type { InboundPort, InboundView } from "../../model/view.ts";
import { decodeListener, envoyRefuses } from "../envoy-validates.testing.ts";
import type {
	FilterChain,
	ListenerFilterChainMatchPredicate,
} from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import {
	type HttpConnectionManager,
	HttpConnectionManagerSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { TcpProxySchema } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import {
	SubjectAltNameMatcher_SanType,
	TlsParameters_TlsProtocol,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import { DownstreamTlsContextSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { generateInboundListeners } from "./virtual-inbound.ts";

function port(targetPort: number, protocol: Protocol): InboundPort {
	const servicePort = aServicePort({ number: 80, targetPort, protocol });
	return { targetPort, protocol, service: aMeshService("web", { ports: [servicePort] }), servicePort };
}

function inbound(view: Partial<InboundView>, workloadCertificate = false) {
	const [resource] = generateInboundListeners(anInboundView(view), workloadCertificate);
	assert.ok(resource);
	return decodeListener(resource);
}

function managerOf(chain: FilterChain | undefined): HttpConnectionManager | undefined {
	const config = chain?.filters[0]?.configType;
	return config?.case === "typedConfig" ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined;
}

function security(mode: InboundMtls, byPort: Readonly<Record<number, InboundMtls>> = {}): WorkloadSecurity {
	const ports = Object.entries(byPort).map(([number, one]) => [Number(number), one] as const);
	return { mtls: { mode, byPort: new Map(ports), sources: [] }, authorization: [], authentication: [] };
}

/** Is this inspector in the way of connections to the port? */
function reads(listener: Listener, inspector: string, destinationPort: number): boolean {
	const filter = listener.listenerFilters.find(({ name }) => name.endsWith(inspector));
	return filter !== undefined && !matches(filter.filterDisabled, destinationPort);
}

function matches(predicate: ListenerFilterChainMatchPredicate | undefined, destinationPort: number): boolean {
	const rule = predicate?.rule;
	switch (rule?.case) {
		case "notMatch":
			return !matches(rule.value, destinationPort);
		case "orMatch":
			return rule.value.rules.some((one) => matches(one, destinationPort));
		case "destinationPortRange":
			return rule.value.start <= destinationPort && destinationPort < rule.value.end;
		default:
			return false;
	}
}

/** `8080 tls istio-h2 mTLS http`: match, security, what it speaks. */
function describeChain(chain: FilterChain): string {
	const match = chain.filterChainMatch;
	return [
		match?.destinationPort ?? "any",
		match?.transportProtocol ?? "",
		match?.applicationProtocols.at(-1) ?? "",
		chain.transportSocket ? "mTLS" : "",
		managerOf(chain) ? "http" : "tcp",
	]
		.filter((part) => part !== "")
		.join(" ");
}

describe("the inbound listener", () => {
	it("has chains for each port, by what it speaks, and passes other ports on untouched", () => {
		const listener = inbound({ ports: [port(3306, "MYSQL"), port(8080, "HTTP"), port(9000, "AUTO")] });
		assert.equal(listener.name, "virtualInbound");
		assert.deepEqual(listener.filterChains.map(describeChain), [
			"15006 tcp",
			"3306 tcp",
			"8080 http",
			"9000 h2c http",
			"9000 tcp",
			"any tcp",
		]);
	});

	it("reads the first bytes only on ports whose protocol is not declared", () => {
		const sniffed = inbound({ ports: [port(3306, "MYSQL"), port(9000, "AUTO"), port(9001, "AUTO")] });
		assert.deepEqual(
			sniffed.listenerFilters.map((filter) => filter.name.split(".").at(-1)),
			["original_dst", "http_inspector"],
		);
		const disabled = sniffed.listenerFilters[1]?.filterDisabled?.rule;
		assert.equal(disabled?.case, "notMatch");
		const any = disabled.value.rule;
		assert.equal(any.case, "orMatch");
		assert.deepEqual(
			any.value.rules.map((rule) => (rule.rule.case === "destinationPortRange" ? rule.rule.value.start : 0)),
			[9000, 9001],
		);
		assert.equal(inbound({ ports: [port(8080, "HTTP")] }).listenerFilters.length, 1);
	});

	it("leads HTTP to the application and retries what was surely not processed, but not gRPC", () => {
		const routeOf = (protocol: Protocol) => {
			const manager = managerOf(inbound({ ports: [port(8080, protocol)] }).filterChains[1]);
			assert.equal(manager?.routeSpecifier.case, "routeConfig");
			const host = manager.routeSpecifier.value.virtualHosts[0];
			const action = host?.routes[0]?.action;
			assert.equal(action?.case, "route");
			return { name: host?.name, route: action.value };
		};
		const http = routeOf("HTTP");
		assert.equal(http.name, "inbound|http|80");
		assert.equal(http.route.clusterSpecifier.value, "inbound|8080||");
		assert.equal(http.route.retryPolicy?.retryOn, "reset-before-request");
		assert.equal(http.route.retryPolicy?.numRetries, 2);
		assert.equal(routeOf("GRPC").route.retryPolicy, undefined);
	});

	it("is transparent under TPROXY, and absent without interception", () => {
		assert.equal(inbound({ interceptionMode: "TPROXY" }).transparent, true);
		assert.equal(inbound({ interceptionMode: "REDIRECT" }).transparent, undefined);
		assert.deepEqual(generateInboundListeners(anInboundView({ interceptionMode: "NONE" }), true), []);
	});

	const three = [port(3306, "MYSQL"), port(8080, "HTTP"), port(9000, "AUTO")];

	it("takes mesh TLS, plaintext and, but for HTTP, the application's own TLS when permissive, which is the default", () => {
		const expected = [
			"15006 tcp",
			"3306 tls istio-peer-exchange mTLS tcp",
			"3306 tls tcp",
			"3306 raw_buffer tcp",
			"8080 tls istio-peer-exchange mTLS http",
			"8080 raw_buffer http",
			"9000 tls istio-h2 mTLS http",
			"9000 tls istio-peer-exchange mTLS tcp",
			"9000 tls tcp",
			"9000 raw_buffer h2c http",
			"9000 raw_buffer tcp",
			"any tls istio-h2 mTLS http",
			"any tls istio-peer-exchange mTLS tcp",
			"any tls tcp",
			"any raw_buffer h2c http",
			"any raw_buffer tcp",
		];
		assert.deepEqual(inbound({ ports: three }, true).filterChains.map(describeChain), expected);
		const declared = inbound({ ports: three, security: security("PERMISSIVE") }, true);
		assert.deepEqual(declared.filterChains.map(describeChain), expected);
	});

	it("takes nothing but mesh TLS when strict, on any port", () => {
		const listener = inbound({ ports: three, security: security("STRICT") }, true);
		assert.deepEqual(listener.filterChains.map(describeChain), [
			"15006 tcp",
			"3306 tls istio-peer-exchange mTLS tcp",
			"3306 tls mTLS tcp",
			"8080 tls istio-peer-exchange mTLS http",
			"8080 tls mTLS http",
			"9000 tls istio-h2 mTLS http",
			"9000 tls istio-peer-exchange mTLS tcp",
			"9000 tls mTLS tcp",
			"any tls istio-h2 mTLS http",
			"any tls istio-peer-exchange mTLS tcp",
			"any tls mTLS tcp",
		]);
	});

	it("does not wait for a TLS handshake for ever", () => {
		const chains = inbound({ ports: three, security: security("PERMISSIVE") }, true).filterChains;
		for (const chain of chains)
			assert.equal(chain.transportSocketConnectTimeout?.seconds, chain.transportSocket ? 15n : undefined);
	});

	it("becomes strict by losing chains alone, so that connections of the mesh stay", () => {
		const [permissive, strict] = (["PERMISSIVE", "STRICT"] as const).map((mode) =>
			inbound({ ports: three, security: security(mode) }, true),
		);
		assert.deepEqual(strict?.listenerFilters, permissive?.listenerFilters);
		const kept = permissive?.filterChains.filter((chain) => chain.transportSocket) ?? [];
		assert.equal(kept.length, 6);
		for (const chain of kept)
			assert.ok(
				strict?.filterChains.some((one) => isDeepStrictEqual(one, chain)),
				chain.name,
			);
	});

	it("lets nothing in where it must be strict and has no certificate", () => {
		const listener = inbound({ ports: three, security: security("STRICT", { 8080: "PERMISSIVE", 7000: "DISABLE" }) });
		assert.deepEqual(
			listener.filterChains.map((chain) => `${chain.name}: ${describeChain(chain)}`),
			[
				"virtualInbound-blackhole: 15006 tcp",
				"0.0.0.0_3306-closed: 3306 tcp",
				"0.0.0.0_8080: 8080 http",
				"0.0.0.0_9000-closed: 9000 tcp",
				"0.0.0.0_7000: 7000 tcp",
				"virtualInbound-closed: any tcp",
			],
		);
		const closed = listener.filterChains.filter((chain) => chain.name.endsWith("-closed"));
		const clusters = closed.map((chain) => {
			const config = chain.filters[0]?.configType;
			return config?.case === "typedConfig"
				? anyUnpack(config.value, TcpProxySchema)?.clusterSpecifier.value
				: undefined;
		});
		assert.deepEqual(new Set(clusters), new Set(["BlackHoleCluster"]));
	});

	it("gives a port the mode that is its own, whether a service names the port or not", () => {
		const ports = [port(3306, "MYSQL"), port(8080, "HTTP")];
		const open = inbound({ ports, security: security("STRICT", { 8080: "DISABLE", 7000: "PERMISSIVE" }) }, true);
		assert.deepEqual(open.filterChains.map(describeChain), [
			"15006 tcp",
			"3306 tls istio-peer-exchange mTLS tcp",
			"3306 tls mTLS tcp",
			"8080 http",
			"7000 tls istio-h2 mTLS http",
			"7000 tls istio-peer-exchange mTLS tcp",
			"7000 tls tcp",
			"7000 raw_buffer h2c http",
			"7000 raw_buffer tcp",
			"any tls istio-h2 mTLS http",
			"any tls istio-peer-exchange mTLS tcp",
			"any tls mTLS tcp",
		]);
		const guarded = inbound({ ports, security: security("DISABLE", { 8080: "STRICT", 7000: "STRICT" }) }, true);
		assert.deepEqual(guarded.filterChains.map(describeChain), [
			"15006 tcp",
			"3306 tcp",
			"8080 tls istio-peer-exchange mTLS http",
			"8080 tls mTLS http",
			"7000 tls istio-h2 mTLS http",
			"7000 tls istio-peer-exchange mTLS tcp",
			"7000 tls mTLS tcp",
			"any tcp",
		]);
	});

	it("reads the first bytes only where a mode or an undeclared protocol needs it", () => {
		const modes = { 8080: "STRICT", 7000: "PERMISSIVE" } as const;
		const mostlyOpen = inbound({ ports: three, security: security("DISABLE", modes) }, true);
		const numbers = [3306, 7000, 8080, 9000, 9999];
		assert.deepEqual(
			numbers.filter((number) => reads(mostlyOpen, "tls_inspector", number)),
			[7000, 8080],
		);
		assert.deepEqual(
			numbers.filter((number) => reads(mostlyOpen, "http_inspector", number)),
			[7000, 9000],
		);
		const permissive = inbound({ ports: three, security: security("PERMISSIVE", { 3306: "DISABLE" }) }, true);
		assert.deepEqual(
			numbers.filter((number) => reads(permissive, "tls_inspector", number)),
			[7000, 8080, 9000, 9999],
		);
		assert.deepEqual(
			numbers.filter((number) => reads(permissive, "http_inspector", number)),
			[7000, 9000, 9999],
		);
	});

	it("demands a client certificate of the trust domain or of an alias, with Istio's ciphers and versions", () => {
		const contextWith = (settings: Partial<MeshSettings>) => {
			const mesh = { ...defaultMeshSettings, ...settings };
			const chain = inbound({ mesh, ports: [port(8080, "HTTP")], security: security("STRICT") }, true).filterChains[1];
			const config = chain?.transportSocket?.configType;
			const context = config?.case === "typedConfig" ? anyUnpack(config.value, DownstreamTlsContextSchema) : undefined;
			assert.ok(context);
			return context;
		};
		const context = contextWith({ trustDomain: "new.example", trustDomainAliases: ["old.example", "new.example"] });
		assert.equal(context.requireClientCertificate, true);
		const validation = context.commonTlsContext?.validationContextType;
		assert.equal(validation?.case, "combinedValidationContext");
		assert.deepEqual(
			validation.value.defaultValidationContext?.matchTypedSubjectAltNames.map(({ sanType, matcher }) => [
				sanType,
				matcher?.matchPattern.case,
				matcher?.matchPattern.value,
			]),
			[
				[SubjectAltNameMatcher_SanType.URI, "prefix", "spiffe://new.example/"],
				[SubjectAltNameMatcher_SanType.URI, "prefix", "spiffe://old.example/"],
			],
		);
		const { tlsParams, alpnProtocols } = context.commonTlsContext ?? {};
		assert.deepEqual(alpnProtocols, ["h2", "http/1.1"]);
		assert.equal(tlsParams?.cipherSuites[0], "ECDHE-ECDSA-AES256-GCM-SHA384");
		assert.equal(tlsParams?.tlsMinimumProtocolVersion, TlsParameters_TlsProtocol.TLSv1_2);
		const newest = contextWith({ minTlsVersion: "1.3" }).commonTlsContext?.tlsParams;
		assert.equal(newest?.tlsMinimumProtocolVersion, TlsParameters_TlsProtocol.TLSv1_3);
	});

	it("is accepted by Envoy in every form", () => {
		const ports = [port(3306, "MYSQL"), port(8080, "HTTP"), port(8081, "GRPC"), port(9000, "AUTO"), port(9443, "TLS")];
		const logging = { accessLogFile: "/dev/stdout" };
		const meshes = [
			defaultMeshSettings,
			{ ...defaultMeshSettings, ...logging },
			{ ...defaultMeshSettings, ...logging, accessLogEncoding: "JSON" as const },
			{ ...defaultMeshSettings, ...logging, accessLogFormat: "%PROTOCOL% mine\n" },
		];
		for (const mesh of meshes) {
			for (const mode of ["DISABLE", "PERMISSIVE", "STRICT"] as const) {
				const others = { 8080: "DISABLE", 9000: "STRICT", 7000: "PERMISSIVE" } as const;
				const interceptionMode = mode === "STRICT" ? "TPROXY" : "REDIRECT";
				const view = anInboundView({ mesh, ports, interceptionMode, security: security(mode, others) });
				assert.equal(envoyRefuses({ listeners: generateInboundListeners(view, true) }), "", mode);
			}
		}
	});
});
