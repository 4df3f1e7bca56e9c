import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { MeshService } from "../../model/service.ts";
import type { ServiceView } from "../../model/view.ts";
import type { ClientTls, TrafficPolicy } from "../../resources/kinds/networking.ts";
import { type Cluster, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ProxyProtocolUpstreamTransportSchema } from "../gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts";
import { SubjectAltNameMatcher_SanType } from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import {
	type UpstreamTlsContext,
	UpstreamTlsContextSchema,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { HttpProtocolOptionsSchema } from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { decoded, gatewayView, named, outboundView, port, serviceView } from "../views.testing.ts";
import { clientTlsSecrets } from "./client-tls.ts";
import { withCertificate } from "./cluster-options.ts";
import { generateGatewayClusters } from "./gateway-clusters.ts";
import { generateOutboundClusters } from "./outbound-clusters.ts";

function clusterWith(trafficPolicy: TrafficPolicy, fields: Partial<MeshService> = {}): Cluster {
	const view = serviceView("reviews", fields, { trafficPolicy });
	const name = "outbound|9080||reviews.default.svc.cluster.local";
	return decoded(ClusterSchema, named(generateOutboundClusters(outboundView([view])), name));
}

function contextOf(cluster: Cluster): UpstreamTlsContext | undefined {
	const config = cluster.transportSocket?.configType;
	return config?.case === "typedConfig" ? anyUnpack(config.value, UpstreamTlsContextSchema) : undefined;
}

/** Names of the secrets that the connection needs: certificates, then roots. */
function secretsOf(context: UpstreamTlsContext | undefined): readonly (string | undefined)[] {
	const common = context?.commonTlsContext;
	const validation = common?.validationContextType;
	return [
		...(common?.tlsCertificateSdsSecretConfigs ?? []).map(({ name }) => name),
		validation?.case === "combinedValidationContext"
			? validation.value.validationContextSdsSecretConfig?.name
			: undefined,
	];
}

function namesOf(context: UpstreamTlsContext | undefined): readonly unknown[] {
	const validation = context?.commonTlsContext?.validationContextType;
	if (validation?.case !== "combinedValidationContext") return [];
	return (validation.value.defaultValidationContext?.matchTypedSubjectAltNames ?? []).map((one) => [
		one.sanType,
		one.matcher?.matchPattern.value,
	]);
}

function automatic(cluster: Cluster): readonly [boolean | undefined, boolean | undefined] {
	const any = cluster.typedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
	const options = any && anyUnpack(any, HttpProtocolOptionsSchema)?.upstreamHttpProtocolOptions;
	return [options?.autoSni, options?.autoSanValidation];
}

describe("DestinationRule tls", () => {
	it("mode DISABLE is plaintext", () => {
		assert.equal(clusterWith({ tls: { mode: "DISABLE" } }).transportSocket, undefined);
	});

	it("mode SIMPLE checks against the system's roots, with SNI and names from the request's host", () => {
		const cluster = clusterWith({ tls: { mode: "SIMPLE" } });
		assert.deepEqual(secretsOf(contextOf(cluster)), ["file-root:system"]);
		assert.equal(contextOf(cluster)?.sni, "");
		assert.deepEqual(automatic(cluster), [true, true]);
	});

	it("says no name where that of the mesh is longer than Envoy takes", () => {
		const hostname = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}`;
		const view = serviceView("long", { hostname }, { trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } });
		const name = `outbound|9080||${hostname}`;
		const cluster = decoded(
			ClusterSchema,
			named(generateOutboundClusters(outboundView([view]), withCertificate), name),
		);
		assert.equal(contextOf(cluster)?.sni, "");
	});

	it("sni and subjectAltNames take the place of the request's host", () => {
		const cluster = clusterWith({
			tls: {
				mode: "SIMPLE",
				sni: "a.example.com",
				subjectAltNames: ["a.example.com", "spiffe://td/ns/a/sa/b", "10.0.0.1"],
			},
		});
		assert.equal(contextOf(cluster)?.sni, "a.example.com");
		assert.deepEqual(automatic(cluster), [undefined, undefined]);
		assert.deepEqual(namesOf(contextOf(cluster)), [
			[SubjectAltNameMatcher_SanType.DNS, "a.example.com"],
			[SubjectAltNameMatcher_SanType.URI, "spiffe://td/ns/a/sa/b"],
			[SubjectAltNameMatcher_SanType.IP_ADDRESS, "10.0.0.1"],
		]);
	});

	it("accepts the names of the ServiceEntry where the rule gives none", () => {
		const cluster = clusterWith({ tls: { mode: "SIMPLE" } }, { subjectAltNames: ["db.example.com"] });
		assert.deepEqual(namesOf(contextOf(cluster)), [[SubjectAltNameMatcher_SanType.DNS, "db.example.com"]]);
		assert.deepEqual(automatic(cluster), [true, false]);
	});

	it("insecureSkipVerify checks nothing", () => {
		const cluster = clusterWith({ tls: { mode: "SIMPLE", insecureSkipVerify: true } });
		assert.equal(contextOf(cluster)?.commonTlsContext?.validationContextType.case, "validationContext");
		assert.deepEqual(automatic(cluster), [true, false]);
	});

	it("mode MUTUAL with files asks for them by Istio's names", () => {
		const tls: ClientTls = {
			mode: "MUTUAL",
			clientCertificate: "/c.pem",
			privateKey: "/k.pem",
			caCertificates: "/ca.pem",
		};
		assert.deepEqual(secretsOf(contextOf(clusterWith({ tls }))), ["file-cert:/c.pem~/k.pem", "file-root:/ca.pem"]);
		assert.deepEqual(clientTlsSecrets(tls), ["file-cert:/c.pem~/k.pem", "file-root:/ca.pem"]);
	});

	it("credentialName makes a gateway ask for the Secret over ADS; sidecars, which may not read it, leave TLS out", () => {
		const tls: ClientTls = { mode: "MUTUAL", credentialName: "client" };
		const view = serviceView("reviews", {}, { trafficPolicy: { tls } });
		const [, cluster] = generateGatewayClusters(gatewayView([], [view]));
		const context = contextOf(decoded(ClusterSchema, cluster));
		assert.deepEqual(secretsOf(context), ["kubernetes://client", "kubernetes://client-cacert"]);
		const [secret] = context?.commonTlsContext?.tlsCertificateSdsSecretConfigs ?? [];
		assert.equal(secret?.sdsConfig?.configSourceSpecifier.case, "ads");
		assert.equal(clusterWith({ tls }).transportSocket, undefined);
	});

	it("mode ISTIO_MUTUAL uses the workload's certificate, the mesh's roots, SNI and ALPN", () => {
		const context = contextOf(clusterWith({ tls: { mode: "ISTIO_MUTUAL" } }));
		assert.deepEqual(secretsOf(context), ["default", "ROOTCA"]);
		assert.equal(context?.sni, "outbound_.9080_._.reviews.default.svc.cluster.local");
		assert.deepEqual(context?.commonTlsContext?.alpnProtocols, ["istio-http/1.1", "istio", "http/1.1"]);
	});

	describe("with the mesh's own TLS, explicit or automatic,", () => {
		const accounts = ["default/reviews", "other/reviews-canary"];
		const mesh = { ...defaultMeshSettings, trustDomain: "new.example", trustDomainAliases: ["old.example"] };
		const uri = (name: string) => [SubjectAltNameMatcher_SanType.URI, name];
		const checked = (view: ServiceView) => {
			const clusters = generateOutboundClusters(outboundView([view], [], { mesh }), withCertificate);
			const cluster = decoded(ClusterSchema, named(clusters, "outbound|9080||reviews.default.svc.cluster.local"));
			const socket = cluster.transportSocket ?? cluster.transportSocketMatches[0]?.transportSocket;
			const config = socket?.configType;
			return namesOf(config?.case === "typedConfig" ? anyUnpack(config.value, UpstreamTlsContextSchema) : undefined);
		};
		const explicit = (tls: ClientTls) => ({ trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" as const, ...tls } } });

		it("takes only the service accounts of the service, in every name of the trust domain", () => {
			const expected = [
				uri("spiffe://new.example/ns/default/sa/reviews"),
				uri("spiffe://old.example/ns/default/sa/reviews"),
				uri("spiffe://new.example/ns/other/sa/reviews-canary"),
				uri("spiffe://old.example/ns/other/sa/reviews-canary"),
			];
			assert.deepEqual(checked({ ...serviceView("reviews"), accounts }), expected);
			assert.deepEqual(checked({ ...serviceView("reviews", {}, explicit({})), accounts }), expected);
		});

		it("takes the names of the ServiceEntry, and those of the rule before them", () => {
			const subjectAltNames = ["spiffe://elsewhere/ns/a/sa/b"];
			assert.deepEqual(checked({ ...serviceView("reviews", { subjectAltNames }), accounts }), subjectAltNames.map(uri));
			const ruled = explicit({ subjectAltNames: ["spiffe://ruled/x"] });
			const view = { ...serviceView("reviews", { subjectAltNames }, ruled), accounts };
			assert.deepEqual(checked(view), [uri("spiffe://ruled/x")]);
		});

		it("takes anybody of the mesh where the accounts are not known", () => {
			assert.deepEqual(checked(serviceView("reviews")), []);
			assert.deepEqual(checked({ ...serviceView("reviews"), accounts: [] }), []);
		});
	});

	const alpn = [
		["GRPC", ["istio-h2", "istio", "h2"]],
		["TCP", ["istio"]],
		["AUTO", ["istio"]],
	] as const;
	for (const [protocol, expected] of alpn) {
		it(`mode ISTIO_MUTUAL offers ${expected.join(", ")} to ${protocol} ports`, () => {
			const context = contextOf(clusterWith({ tls: { mode: "ISTIO_MUTUAL" } }, { ports: [port(9080, protocol)] }));
			assert.deepEqual(context?.commonTlsContext?.alpnProtocols, expected);
		});
	}

	it("offers h2 to foreign HTTP/2 servers", () => {
		const context = contextOf(clusterWith({ tls: { mode: "SIMPLE" } }, { ports: [port(9080, "HTTP2")] }));
		assert.deepEqual(context?.commonTlsContext?.alpnProtocols, ["h2"]);
	});

	it("goes inside the PROXY protocol", () => {
		const { transportSocket } = clusterWith({ tls: { mode: "SIMPLE" }, proxyProtocol: { version: "V2" } });
		assert.equal(transportSocket?.name, "envoy.transport_sockets.upstream_proxy_protocol");
		const config = transportSocket?.configType;
		const inner =
			config?.case === "typedConfig" ? anyUnpack(config.value, ProxyProtocolUpstreamTransportSchema) : undefined;
		assert.equal(inner?.transportSocket?.name, "envoy.transport_sockets.tls");
	});
});
