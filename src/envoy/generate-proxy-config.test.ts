import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aMeshService,
	anEndpoint,
	anInboundView,
	anOutboundView,
	aProxy,
	aRoutingRule,
	aServicePort,
	aServiceView,
	endpointsOf,
} from "../model/model.testing.ts";
import type { EndpointsView, GatewayView, ProxyView } from "../model/view.ts";
import { typeUrls } from "../xds/resource.ts";
import { danglingReferences, findDanglingReferences } from "./find-dangling-references.ts";
import { generateProxyConfig } from "./generate-proxy-config.ts";

const services = (["HTTP", "GRPC", "AUTO", "TCP", "TLS"] as const).flatMap((protocol, index) => [
	aMeshService(protocol.toLowerCase(), {
		addresses: [`10.96.0.${index}`],
		ports: [aServicePort({ number: 80, protocol }), aServicePort({ number: 81, protocol: "AUTO" })],
	}),
	aMeshService(`${protocol.toLowerCase()}-headless`, {
		addresses: [],
		headless: true,
		discovery: "passthrough",
		ports: [aServicePort({ number: 80, protocol })],
	}),
]);
const outbound = anOutboundView({
	services: services.map((service) =>
		aServiceView(service, { destination: { sources: [], subsets: [{ name: "v1", labels: { version: "v1" } }] } }),
	),
	rules: [
		aRoutingRule("http", { http: [{ route: [{ destination: { host: services[0]?.hostname ?? "", subset: "v1" } }] }] }),
	],
});
const endpoints: EndpointsView = {
	byService: new Map(services.map((service) => [service.key, endpointsOf(service, anEndpoint())])),
	locality: { region: "", zone: "", subzone: "" },
	network: "",
	clusterId: "Kubernetes",
};
const gateway: GatewayView = {
	namespace: "default",
	mesh: outbound.mesh,
	services: outbound.services,
	listeners: [
		{
			bind: "0.0.0.0",
			port: 8443,
			transport: "tls",
			servers: ["a", "b"].map((name) => ({
				gateway: "Gateway/default/gw",
				server: {
					port: { number: 443, name, protocol: "HTTPS" },
					hosts: [`${name}.example`],
					tls: { mode: "SIMPLE", credentialName: name },
				},
				hosts: [`${name}.example`],
				rules: [],
				routeName: `https.443.${name}.gw.default`,
			})),
		},
	],
};

function sidecarView(targetPort: number): ProxyView {
	return {
		outbound,
		inbound: anInboundView({ ports: [{ targetPort, protocol: "HTTP" }] }),
		endpoints,
		secrets: [],
	};
}

describe("the configuration of a proxy", () => {
	it("shares outbound parts between proxies of one view, and keeps inbound parts apart", () => {
		const [one, other] = [8080, 8081].map((port) => generateProxyConfig(aProxy(`p${port}`), sidecarView(port)));
		for (const typeUrl of [typeUrls.cluster, typeUrls.listener, typeUrls.route, typeUrls.endpoints]) {
			assert.ok(one?.get(typeUrl)?.parts[0]);
			assert.equal(one?.get(typeUrl)?.parts[0], other?.get(typeUrl)?.parts[0], typeUrl);
		}
		assert.notEqual(one?.get(typeUrls.listener)?.parts[1], other?.get(typeUrls.listener)?.parts[1]);
	});

	it("names nothing that it does not hold", () => {
		for (const workloadCertificate of [false, true]) {
			const proxy = aProxy("p", { workloadCertificate });
			assert.deepEqual(findDanglingReferences(generateProxyConfig(proxy, sidecarView(8080))), []);
		}
	});

	it("only fails where a rule names a subset that does not exist, and holds nothing back", () => {
		const host = services[0]?.hostname ?? "";
		const rule = aRoutingRule("http", { http: [{ route: [{ destination: { host, subset: "v9" } }] }] });
		const view = { ...sidecarView(8080), outbound: { ...outbound, rules: [rule] } };
		const dangling = danglingReferences(generateProxyConfig(aProxy(), view));
		assert.deepEqual(
			[...new Set(dangling.map(({ to, effect }) => `${effect} ${to.name}`))],
			[`fails outbound|80|v9|${host}`, `fails outbound|81|v9|${host}`],
		);
	});

	it("of a gateway has its listeners, and the secrets that exist", () => {
		const secrets = [{ name: "kubernetes://a", certificateChain: "chain", privateKey: "key" }];
		const router = aProxy("gw", { type: "router" });
		const config = generateProxyConfig(router, { gateway, endpoints, secrets });
		const namesOf = (typeUrl: string) => config.get(typeUrl)?.parts.flatMap((part) => [...part.resources.keys()]) ?? [];
		assert.deepEqual(namesOf(typeUrls.listener), ["0.0.0.0_8443"]);
		assert.deepEqual(namesOf(typeUrls.secret), ["kubernetes://a"]);
		assert.deepEqual(findDanglingReferences(config), []);
	});

	it("carries the secrets that rules name by file, for Envoy to read on its own machine", () => {
		const view = sidecarView(8080);
		const tlsServices = outbound.services.map((one) => ({
			...one,
			destination: { sources: [], subsets: [], trafficPolicy: { tls: { mode: "SIMPLE" as const } } },
		}));
		const config = generateProxyConfig(aProxy(), {
			...view,
			outbound: { ...outbound, services: tlsServices, rules: [] },
		});
		const [secret] = config.get(typeUrls.secret)?.parts.flatMap((part) => [...part.resources.values()]) ?? [];
		assert.equal(secret?.name, "file-root:system");
		assert.match(Buffer.from(secret?.any ?? []).toString("latin1"), /\/etc\/ssl\/certs\/ca-certificates\.crt/);
		assert.deepEqual(findDanglingReferences(config), []);
	});
});
