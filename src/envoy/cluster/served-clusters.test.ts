import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aMeshService, anEndpoint, aProxy, aServiceView, endpointsOf } from "../../model/model.testing.ts";
import type { ProxyView, SecretView } from "../../model/view.ts";
import type { ClientTls } from "../../resources/kinds/networking.ts";
import { typeUrls } from "../../xds/resource.ts";
import { danglingReferences } from "../find-dangling-references.ts";
import { generateProxyConfig } from "../generate-proxy-config.ts";
import { gatewayView, outboundView } from "../views.testing.ts";

const open = aMeshService("open");
const secured = aMeshService("secured");
const endpoints: ProxyView["endpoints"] = {
	byService: new Map([open, secured].map((service) => [service.key, endpointsOf(service, anEndpoint())])),
	locality: { region: "", zone: "", subzone: "" },
	network: "",
	clusterId: "Kubernetes",
};

const servicesWith = (tls: ClientTls) => [
	aServiceView(open),
	aServiceView(secured, { destination: { sources: [], subsets: [], trafficPolicy: { tls } } }),
];

/** Hosts of the outbound clusters, and whether Envoy would wait for something that never comes. */
function reached(config: ReturnType<typeof generateProxyConfig>) {
	const names = config.get(typeUrls.cluster)?.parts.flatMap((part) => [...part.resources.keys()]) ?? [];
	const hosts = names.filter((name) => name.startsWith("outbound|")).map((name) => name.split("|")[3]);
	return { hosts, waits: danglingReferences(config).filter(({ effect }) => effect === "waits").length };
}

const openOnly = { hosts: [open.hostname], waits: 0 };
const both = { hosts: [open.hostname, secured.hostname], waits: 0 };

describe("a cluster whose secret", () => {
	const router = aProxy("gw", { type: "router" });
	const gateway = gatewayView([], servicesWith({ mode: "SIMPLE", credentialName: "roots" }));
	const throughGateway = (secrets: readonly SecretView[]) =>
		reached(generateProxyConfig(router, { gateway, endpoints, secrets }));

	it("does not exist is left out, and the gateway has all others", () => {
		assert.deepEqual(throughGateway([]), openOnly);
	});

	it("exists is there", () => {
		assert.deepEqual(throughGateway([{ name: "kubernetes://roots", caCertificate: "roots" }]), both);
	});

	it("is the mesh's certificate is left out for an Envoy that has none", () => {
		const view = { outbound: outboundView(servicesWith({ mode: "ISTIO_MUTUAL" })), endpoints, secrets: [] };
		assert.deepEqual(reached(generateProxyConfig(aProxy(), view)), openOnly);
		assert.deepEqual(reached(generateProxyConfig(aProxy("p", { workloadCertificate: true }), view)), both);
	});
});
