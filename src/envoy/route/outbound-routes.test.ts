import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { OutboundView } from "../../model/view.ts";
import type { VirtualHost } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { type RouteConfiguration, RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { decoded, named, outboundView, port, rule, serviceView } from "../views.testing.ts";
import { generateOutboundRoutes } from "./outbound-routes.ts";

const reviews = "reviews.default.svc.cluster.local";

function table(view: OutboundView, name: string): RouteConfiguration {
	return decoded(RouteConfigurationSchema, named(generateOutboundRoutes(view), name));
}

function hostOf(view: OutboundView, tableName: string, host: string): VirtualHost {
	const found = table(view, tableName).virtualHosts.find(({ name }) => name === host);
	if (found === undefined) throw new Error(`no virtual host ${host}`);
	return found;
}

function firstCluster({ routes }: VirtualHost): unknown {
	const action = routes[0]?.action;
	return action?.case === "route" ? action.value.clusterSpecifier.value : action?.case;
}

const toV1 = [{ route: [{ destination: { host: reviews, subset: "v1" } }] }];

describe("outbound route tables", () => {
	it("are one for each port with HTTP, shared by its services, and one for each sniffed service", () => {
		const view = outboundView([
			serviceView("a", { ports: [port(9080), port(7000, "TCP"), port(443, "TLS")] }),
			serviceView("b", { ports: [port(9080, "GRPC"), port(8000, "AUTO")] }),
			serviceView("c", { ports: [port(8001, "AUTO")], headless: true, addresses: [] }),
		]);
		assert.deepEqual(
			generateOutboundRoutes(view).map(({ name }) => name),
			["8001", "9080", "b.default.svc.cluster.local:8000"],
		);
		const names = table(view, "9080").virtualHosts.map(({ name }) => name);
		assert.deepEqual(names, ["a.default.svc.cluster.local:9080", "b.default.svc.cluster.local:9080", "allow_any"]);
	});

	it("have the very bytes that the protobuf library would write", () => {
		const view = outboundView([serviceView("a"), serviceView("reviews")], [rule([reviews], toV1)]);
		for (const resource of generateOutboundRoutes(view)) {
			const { value } = fromBinary(AnySchema, resource.any);
			const message = create(RouteConfigurationSchema, decoded(RouteConfigurationSchema, resource));
			assert.deepEqual(toBinary(RouteConfigurationSchema, message), value);
		}
	});

	it("ignore the port of the Host header and do not insist that clusters exist", () => {
		const config = table(outboundView([serviceView("a")]), "9080");
		assert.equal(config.ignorePortInHostMatching, true);
		assert.equal(config.validateClusters, false);
		assert.equal(config.maxDirectResponseBodySizeBytes, 1024 * 1024);
		assert.equal(config.virtualHosts[0]?.includeRequestAttemptCount, true);
	});

	it("know a service by its full and short names and its addresses", () => {
		const view = outboundView([serviceView("reviews", { addresses: ["10.96.0.7", "fd00::7", "10.1.0.0/16"] })]);
		const domains = [reviews, "reviews", "reviews.default.svc", "reviews.default", "10.96.0.7", "[fd00::7]"];
		assert.deepEqual(hostOf(view, "9080", `${reviews}:9080`).domains, domains);
	});

	it("know a service of another namespace by names with that namespace only", () => {
		const view = outboundView([serviceView("reviews", { addresses: [] })], [], { namespace: "other" });
		const { domains } = hostOf(view, "9080", `${reviews}:9080`);
		assert.deepEqual(domains, [reviews, "reviews.default.svc", "reviews.default"]);
	});

	it("know the pods of a headless service by name", () => {
		const view = outboundView([serviceView("reviews", { headless: true, discovery: "passthrough", addresses: [] })]);
		const { domains } = hostOf(view, "9080", `${reviews}:9080`);
		assert.ok(domains.includes(`*.${reviews}`));
		assert.ok(domains.includes("*.reviews"));
	});

	it("give a short name to the service whose full name it is", () => {
		const view = outboundView([
			serviceView("shop", { namespace: "example", addresses: [] }),
			serviceView("shop.example", { namespace: "x", addresses: [], ports: [port(9080)] }),
		]);
		const { virtualHosts } = table(view, "9080");
		const owner = virtualHosts.find(({ domains }) => domains.includes("shop.example"));
		assert.equal(owner?.name, "shop.example:9080");
	});

	it("never hold a domain twice, which Envoy would refuse", () => {
		const view = outboundView(
			[serviceView("a"), serviceView("b"), serviceView("c")],
			[
				rule(["a.default.svc.cluster.local", "b"], toV1, "one"),
				rule(["b.default.svc.cluster.local", "*"], toV1, "two"),
			],
		);
		const domains = table(view, "9080").virtualHosts.flatMap((host) => host.domains.map((one) => one.toLowerCase()));
		assert.deepEqual(domains.length, new Set(domains).size);
	});

	it("let unknown hosts through, or answer 502", () => {
		assert.equal(firstCluster(hostOf(outboundView([serviceView("a")]), "9080", "allow_any")), "PassthroughCluster");
		const closed = outboundView([serviceView("a")], [], { outboundTrafficPolicy: "REGISTRY_ONLY" });
		const [route] = hostOf(closed, "9080", "block_all").routes;
		assert.equal(route?.action.case === "directResponse" && route.action.value.status, 502);
	});

	it("lead a service without rules to its cluster, with the mesh's retries and its own hash", () => {
		const trafficPolicy = { loadBalancer: { consistentHash: { httpHeaderName: "user" } } };
		const view = outboundView([serviceView("a"), serviceView("reviews", {}, { trafficPolicy })]);
		const plain = hostOf(view, "9080", "a.default.svc.cluster.local:9080").routes[0];
		assert.equal(plain?.name, "default");
		assert.equal(plain?.action.case === "route" && plain.action.value.retryPolicy?.numRetries, 2);
		const hashed = hostOf(view, "9080", `${reviews}:9080`).routes[0];
		assert.equal(hashed?.action.case === "route" && hashed.action.value.hashPolicy[0]?.policySpecifier.case, "header");
	});

	it("route a service by its rule", () => {
		const view = outboundView([serviceView("reviews")], [rule([reviews], toV1)]);
		assert.equal(firstCluster(hostOf(view, "9080", `${reviews}:9080`)), `outbound|9080|v1|${reviews}`);
	});

	it("keep the default route where a rule has nothing for the port", () => {
		const only81 = [{ match: [{ port: 81 }], route: [{ destination: { host: reviews, subset: "v1" } }] }];
		const view = outboundView([serviceView("reviews")], [rule([reviews], only81)]);
		assert.equal(firstCluster(hostOf(view, "9080", `${reviews}:9080`)), `outbound|9080||${reviews}`);
	});

	it("prefer the rule that names a host, then the longest wildcard", () => {
		const to = (host: string) => [{ route: [{ destination: { host } }] }];
		const view = outboundView(
			[serviceView("a"), serviceView("b"), serviceView("c", { namespace: "other" })],
			[
				rule(["*.svc.cluster.local"], to("wide"), "wide"),
				rule(["*.default.svc.cluster.local"], to("narrow"), "narrow"),
				rule(["b.default.svc.cluster.local"], to("exact"), "exact"),
			],
		);
		const clusters = table(view, "9080").virtualHosts.map((host) => [host.name.split(".")[0], firstCluster(host)]);
		assert.deepEqual(clusters, [
			["a", "outbound|9080||narrow"],
			["b", "outbound|9080||exact"],
			["c", "outbound|9080||wide"],
			["allow_any", "PassthroughCluster"],
		]);
	});

	it("take hosts that are no services from rules: on port 80, and beside a service of the rule", () => {
		const foreign = outboundView(
			[serviceView("web", { ports: [port(80)] }), serviceView("a")],
			[rule(["outside.example.com"], toV1)],
		);
		assert.deepEqual(hostOf(foreign, "80", "outside.example.com:80").domains, ["outside.example.com"]);
		assert.throws(() => hostOf(foreign, "9080", "outside.example.com:9080"));
		const beside = outboundView([serviceView("reviews")], [rule([reviews, "outside.example.com"], toV1)]);
		assert.equal(firstCluster(hostOf(beside, "9080", "outside.example.com:9080")), `outbound|9080|v1|${reviews}`);
	});

	it("of a sniffed service take every host, and have no last resort", () => {
		const sniffed = serviceView("reviews", { ports: [port(9080, "AUTO")] });
		const { virtualHosts } = table(outboundView([sniffed], [rule([reviews], toV1)]), `${reviews}:9080`);
		assert.deepEqual(
			virtualHosts.map(({ domains }) => domains),
			[["*"]],
		);
		assert.equal(firstCluster(virtualHosts[0] as VirtualHost), `outbound|9080|v1|${reviews}`);
	});

	it("have equal bytes for equal input, and follow every change of a service that a rule names", () => {
		const services = [serviceView("reviews")];
		const rules = [rule([reviews], [{ route: [{ destination: { host: reviews } }] }])];
		const before = generateOutboundRoutes(outboundView(services, rules));
		assert.deepEqual(generateOutboundRoutes(outboundView(structuredClone(services), structuredClone(rules))), before);
		const hashing = serviceView(
			"reviews",
			{},
			{
				trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } },
			},
		);
		const after = outboundView([hashing], rules);
		const [route] = hostOf(after, "9080", `${reviews}:9080`).routes;
		assert.equal(route?.action.case === "route" && route.action.value.hashPolicy.length, 1);
		const patient = {
			...after,
			mesh: { ...defaultMeshSettings, retries: { ...defaultMeshSettings.retries, attempts: 9 } },
		};
		const [retried] = hostOf(patient, "9080", `${reviews}:9080`).routes;
		assert.equal(retried?.action.case === "route" && retried.action.value.retryPolicy?.numRetries, 9);
	});
});
