import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { aMeshService, aRoutingRule, aServicePort, aServiceView } from "../../model/model.testing.ts";
import type { GatewayListenerView, GatewayServerView, GatewayView, RoutingRule } from "../../model/view.ts";
import type { GatewayServer, ServerTls } from "../../resources/kinds/networking.ts";
import { decodeListener, envoyRefuses } from "../envoy-validates.testing.ts";
import type { FilterChain } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { HttpConnectionManagerSchema } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { TcpProxySchema } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { TlsParameters_TlsProtocol } from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import {
	type DownstreamTlsContext,
	DownstreamTlsContextSchema,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { generateGatewayListeners } from "./gateway-listeners.ts";

const db = aMeshService("db", { ports: [aServicePort({ number: 3306, protocol: "TCP" })] });

function server(
	options: Partial<GatewayServerView> & { readonly protocol: string; readonly port: number; readonly tls?: ServerTls },
): GatewayServerView {
	const hosts = options.hosts ?? ["*"];
	const gatewayServer: GatewayServer = {
		port: { number: options.port, name: options.protocol.toLowerCase(), protocol: options.protocol },
		hosts,
		...(options.tls && { tls: options.tls }),
	};
	const { routeName, rules = [] } = options;
	return { gateway: "Gateway/default/gw", server: gatewayServer, hosts, rules, ...(routeName && { routeName }) };
}

function listenersOf(listeners: readonly GatewayListenerView[], ...secrets: readonly string[]) {
	const view: GatewayView = {
		namespace: "default",
		mesh: { ...defaultMeshSettings, accessLogFile: "/dev/stdout" },
		listeners,
		services: [aServiceView(db)],
	};
	return generateGatewayListeners(view, new Set(["default", "ROOTCA", ...secrets]));
}

function chainsOf(listener: GatewayListenerView, ...secrets: readonly string[]): readonly FilterChain[] {
	const [resource] = listenersOf([listener], ...secrets);
	return resource ? decodeListener(resource).filterChains : [];
}

function typedConfig(chain: FilterChain | undefined) {
	const config = chain?.filters.at(-1)?.configType;
	assert.equal(config?.case, "typedConfig");
	return config.value;
}

function describeChain(chain: FilterChain): string {
	const manager = anyUnpack(typedConfig(chain), HttpConnectionManagerSchema);
	const proxy = anyUnpack(typedConfig(chain), TcpProxySchema);
	const sni = chain.filters.length > 1 ? "sni or " : "";
	return [
		(chain.filterChainMatch?.serverNames ?? []).join(",") || "any",
		chain.transportSocket ? "terminated" : "",
		"->",
		manager ? `rds ${manager.routeSpecifier.case === "rds" ? manager.routeSpecifier.value.routeConfigName : ""}` : "",
		proxy?.clusterSpecifier.case === "cluster" ? `tcp ${sni}${proxy.clusterSpecifier.value}` : "",
	]
		.filter((part) => part !== "")
		.join(" ");
}

function tlsOf(chain: FilterChain | undefined): DownstreamTlsContext {
	const config = chain?.transportSocket?.configType;
	assert.equal(config?.case, "typedConfig");
	const context = anyUnpack(config.value, DownstreamTlsContextSchema);
	assert.ok(context);
	return context;
}

function https(host: string, tls: ServerTls): GatewayServerView {
	return server({ protocol: "HTTPS", port: 443, hosts: [host], routeName: `https.443.${host}.gw.default`, tls });
}

const tlsListener = (...servers: readonly GatewayServerView[]): GatewayListenerView => ({
	bind: "0.0.0.0",
	port: 8443,
	transport: "tls",
	servers,
});

describe("gateway listeners", () => {
	it("serve all plain HTTP servers of a port from one chain and one route table, on a real port", () => {
		const servers = ["a.example", "b.example"].map((host) =>
			server({ protocol: "HTTP", port: 80, hosts: [host], routeName: "http.8080" }),
		);
		const [resource] = listenersOf([{ bind: "0.0.0.0", port: 8080, transport: "plain", servers }]);
		assert.ok(resource);
		const listener = decodeListener(resource);
		assert.equal(listener.name, "0.0.0.0_8080");
		assert.equal(listener.bindToPort, undefined);
		assert.deepEqual(listener.filterChains.map(describeChain), ["any -> rds http.8080"]);
		const manager = anyUnpack(typedConfig(listener.filterChains[0]), HttpConnectionManagerSchema);
		assert.equal(manager?.useRemoteAddress, true);
	});

	it("terminate TLS of several hosts on one port, each with its own certificate", () => {
		const listener = tlsListener(
			https("a.example", { mode: "SIMPLE", credentialName: "a" }),
			https("*.b.example", { mode: "SIMPLE", credentialName: "b", minProtocolVersion: "TLSV1_3" }),
		);
		const chains = chainsOf(listener, "kubernetes://a", "kubernetes://b");
		assert.deepEqual(chains.map(describeChain), [
			"a.example terminated -> rds https.443.a.example.gw.default",
			"*.b.example terminated -> rds https.443.*.b.example.gw.default",
		]);
		const [first, second] = chains.map((chain) => tlsOf(chain).commonTlsContext);
		assert.deepEqual(
			first?.tlsCertificateSdsSecretConfigs.map((secret) => secret.name),
			["kubernetes://a"],
		);
		assert.deepEqual(first?.alpnProtocols, ["h2", "http/1.1"]);
		assert.equal(first?.tlsParams?.tlsMinimumProtocolVersion, TlsParameters_TlsProtocol.TLSv1_2);
		assert.equal(second?.tlsParams?.tlsMinimumProtocolVersion, TlsParameters_TlsProtocol.TLSv1_3);
		assert.equal(chains[0]?.transportSocketConnectTimeout?.seconds, 15n);
	});

	it("leave out only the server whose certificate is missing", () => {
		const listener = tlsListener(
			https("a.example", { mode: "SIMPLE", credentialName: "a" }),
			https("b.example", { mode: "SIMPLE", credentialName: "missing" }),
		);
		const chains = chainsOf(listener, "kubernetes://a");
		assert.deepEqual(chains.map(describeChain), ["a.example terminated -> rds https.443.a.example.gw.default"]);
		assert.deepEqual(listenersOf([listener]), []);
	});

	it("demand client certificates when mutual, and only ask for them when optional", () => {
		const contextOf = (mode: "MUTUAL" | "OPTIONAL_MUTUAL") => {
			const listener = tlsListener(https("a.example", { mode, credentialName: "a", subjectAltNames: ["me"] }));
			assert.deepEqual(chainsOf(listener, "kubernetes://a"), [], "without the roots nobody could be checked");
			return tlsOf(chainsOf(listener, "kubernetes://a", "kubernetes://a-cacert")[0]);
		};
		assert.equal(contextOf("MUTUAL").requireClientCertificate, true);
		assert.equal(contextOf("OPTIONAL_MUTUAL").requireClientCertificate, false);
		const validation = contextOf("MUTUAL").commonTlsContext?.validationContextType;
		assert.equal(validation?.case, "combinedValidationContext");
		assert.equal(validation.value.validationContextSdsSecretConfig?.name, "kubernetes://a-cacert");
	});

	it("pass TLS through by SNI to where the rules say", () => {
		const rule: RoutingRule = aRoutingRule("r", {
			tls: [
				{ match: [{ sniHosts: ["db.example"], port: 443 }], route: [{ destination: { host: db.hostname } }] },
				{ match: [{ sniHosts: ["other.example"], port: 8443 }], route: [{ destination: { host: db.hostname } }] },
				{ match: [{ sniHosts: ["gone.example"] }], route: [{ destination: { host: "gone.example" } }] },
			],
		});
		const passthrough = server({ protocol: "TLS", port: 443, tls: { mode: "PASSTHROUGH" }, rules: [rule] });
		assert.deepEqual(chainsOf(tlsListener(passthrough)).map(describeChain), [
			"db.example -> tcp outbound|3306||db.default.svc.cluster.local",
			"gone.example -> tcp BlackHoleCluster",
		]);
	});

	it("send mesh TLS on to the cluster that its SNI names", () => {
		const auto = server({ protocol: "TLS", port: 15443, hosts: ["*.local"], tls: { mode: "AUTO_PASSTHROUGH" } });
		assert.deepEqual(chainsOf(tlsListener(auto)).map(describeChain), ["*.local -> tcp sni or BlackHoleCluster"]);
	});

	it("forward TCP, and TCP inside terminated TLS", () => {
		const rule = aRoutingRule("r", {
			tcp: [{ match: [{ port: 3306 }], route: [{ destination: { host: db.hostname } }] }],
		});
		const plain = server({ protocol: "TCP", port: 3306, rules: [rule] });
		const listener: GatewayListenerView = { bind: "0.0.0.0", port: 3306, transport: "plain", servers: [plain] };
		const cluster = "outbound|3306||db.default.svc.cluster.local";
		assert.deepEqual(chainsOf(listener).map(describeChain), [`any -> tcp ${cluster}`]);
		const inside = server({ protocol: "TLS", port: 3306, rules: [rule], tls: { mode: "SIMPLE", credentialName: "a" } });
		assert.deepEqual(chainsOf(tlsListener(inside), "kubernetes://a").map(describeChain), [
			`any terminated -> tcp ${cluster}`,
		]);
	});

	it("are accepted by Envoy with every TLS setting, unknown cipher suites left out", () => {
		const suites = [
			"ECDHE-ECDSA-AES128-GCM-SHA256",
			"ECDHE-RSA-CHACHA20-POLY1305",
			"ECDHE-RSA-AES256-SHA",
			"AES128-GCM-SHA256",
			"AES256-SHA",
			"TLS_RSA_WITH_NONSENSE",
		];
		const modes = ["SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL", "PASSTHROUGH", "AUTO_PASSTHROUGH"] as const;
		const rule = aRoutingRule("r", {
			tls: [{ match: [{ sniHosts: ["x.passthrough.example"] }], route: [{ destination: { host: db.hostname } }] }],
		});
		const servers = modes.map((mode) => {
			const host = `*.${mode.toLowerCase().replaceAll("_", "-")}.example`;
			const tls: ServerTls = {
				mode,
				credentialName: "a",
				cipherSuites: [...suites, ...suites],
				minProtocolVersion: "TLSV1_0",
				maxProtocolVersion: "TLSV1_3",
				subjectAltNames: ["spiffe://x/ns/a/sa/b", "dns.example"],
			};
			return mode.endsWith("PASSTHROUGH")
				? server({ protocol: "TLS", port: 443, hosts: [host], tls, rules: [rule] })
				: https(host, tls);
		});
		const duplicate = https("*.simple.example", { mode: "SIMPLE", credentialName: "a" });
		const listener = tlsListener(...servers, duplicate);
		const listeners = listenersOf([listener], "kubernetes://a", "kubernetes://a-cacert");
		assert.equal(listeners.length, 1);
		assert.equal(envoyRefuses({ listeners }), "");
	});
});
