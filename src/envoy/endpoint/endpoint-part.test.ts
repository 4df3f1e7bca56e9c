import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint, ServiceEndpoints } from "../../model/endpoint.ts";
import type { ServiceView } from "../../model/view.ts";
import { HealthStatus } from "../gen/envoy/config/core/v3/health_check_pb.ts";
import {
	type ClusterLoadAssignment,
	ClusterLoadAssignmentSchema,
} from "../gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { decoded, endpoint, endpointsOf, endpointsView, port, serviceView } from "../views.testing.ts";
import { endpointPart } from "./endpoint-part.ts";

const subsets = [
	{ name: "v1", labels: { version: "v1" } },
	{ name: "v2", labels: { version: "v2" } },
];

function addressesOf(assignment: ClusterLoadAssignment): readonly unknown[] {
	return assignment.endpoints.flatMap(({ lbEndpoints }) =>
		lbEndpoints.map(({ hostIdentifier }) => {
			const address = hostIdentifier.case === "endpoint" ? hostIdentifier.value.address?.address : undefined;
			return address?.case === "socketAddress" ? address.value.address : undefined;
		}),
	);
}

function assignmentOf(view: ServiceView, endpoints: readonly Endpoint[], name: string): ClusterLoadAssignment {
	const part = endpointPart([view], endpointsView([endpointsOf(view, endpoints)]));
	return decoded(ClusterLoadAssignmentSchema, part.resources.get(name));
}

describe("the endpoint part", () => {
	it("has an assignment for each port and subset, sorted by name, under the cluster's name", () => {
		const view = serviceView("reviews", { ports: [port(9080), port(7000, "TCP"), port(53, "UDP")] }, { subsets });
		const part = endpointPart([view], endpointsView([]));
		const names = [...part.resources.keys()];
		assert.deepEqual(names, [
			"outbound|7000|v1|reviews.default.svc.cluster.local",
			"outbound|7000|v2|reviews.default.svc.cluster.local",
			"outbound|7000||reviews.default.svc.cluster.local",
			"outbound|9080|v1|reviews.default.svc.cluster.local",
			"outbound|9080|v2|reviews.default.svc.cluster.local",
			"outbound|9080||reviews.default.svc.cluster.local",
		]);
		for (const [name, resource] of part.resources) {
			assert.equal(decoded(ClusterLoadAssignmentSchema, resource).clusterName, name);
		}
	});

	it("has an empty assignment for a service without endpoints, so that its cluster does not wait", () => {
		const view = serviceView("reviews");
		const name = "outbound|9080||reviews.default.svc.cluster.local";
		assert.deepEqual(assignmentOf(view, [], name).endpoints, []);
	});

	it("gives a subset the endpoints with its labels", () => {
		const view = serviceView("reviews", {}, { subsets });
		const endpoints = [
			endpoint("10.0.0.1", { labels: { version: "v1", app: "reviews" } }),
			endpoint("10.0.0.2", { labels: { version: "v2" } }),
		];
		const name = "outbound|9080|v2|reviews.default.svc.cluster.local";
		assert.deepEqual(addressesOf(assignmentOf(view, endpoints, name)), ["10.0.0.2"]);
	});

	it("has nothing for services that Envoy finds by itself, or passes through", () => {
		const services = [
			serviceView("a.example.com", { discovery: "dns" }),
			serviceView("b", { discovery: "passthrough" }),
			serviceView("c", {}, { trafficPolicy: { loadBalancer: { simple: "PASSTHROUGH" } } }),
		];
		assert.equal(endpointPart(services, endpointsView([])).resources.size, 0);
	});

	it("gives a gateway the endpoints of headless services", () => {
		const services = [serviceView("b", { discovery: "passthrough", headless: true })];
		assert.equal(endpointPart(services, endpointsView([]), { role: "gateway" }).resources.size, 1);
	});

	it("sends unhealthy endpoints as such, but not where a panic threshold would use them", () => {
		const name = "outbound|9080||reviews.default.svc.cluster.local";
		const endpoints = [endpoint("10.0.0.1"), endpoint("10.0.0.2", { health: "unhealthy" })];
		const sent = assignmentOf(serviceView("reviews"), endpoints, name).endpoints[0]?.lbEndpoints;
		assert.deepEqual(
			sent?.map(({ healthStatus }) => healthStatus),
			[HealthStatus.HEALTHY, HealthStatus.UNHEALTHY],
		);
		const panics = serviceView("reviews", {}, { trafficPolicy: { outlierDetection: { minHealthPercent: 10 } } });
		assert.deepEqual(addressesOf(assignmentOf(panics, endpoints, name)), ["10.0.0.1"]);
	});

	it("takes a server whose proxy is passed by out where a rule demands mutual TLS, and nowhere else", () => {
		const name = "outbound|9080||reviews.default.svc.cluster.local";
		const endpoints = [endpoint("10.0.0.1"), endpoint("10.0.0.2", { tlsMode: "disabled", servingStep: "direct" })];
		const isCalledUnder = (mode: "ISTIO_MUTUAL" | "DISABLE" | undefined) => {
			const view = serviceView("reviews", {}, mode && { trafficPolicy: { tls: { mode } } });
			const sent = assignmentOf(view, endpoints, name).endpoints[0]?.lbEndpoints;
			return sent?.map(({ healthStatus }) => healthStatus === HealthStatus.HEALTHY);
		};
		assert.deepEqual(isCalledUnder("ISTIO_MUTUAL"), [true, false]);
		assert.deepEqual(isCalledUnder("DISABLE"), [true, true]);
		assert.deepEqual(isCalledUnder(undefined), [true, true]);
	});

	it("is the same object for equal input, whatever the client's place, until a place matters", () => {
		const services = [serviceView("a"), serviceView("b")];
		const eu = endpointsView([], { locality: { region: "eu", zone: "", subzone: "" } });
		const us = { ...eu, locality: { region: "us", zone: "", subzone: "" } };
		assert.equal(endpointPart(services, eu), endpointPart(services, us));
		const ejecting = [...services, serviceView("c", {}, { trafficPolicy: { outlierDetection: {} } })];
		const [inEu, inUs] = [endpointPart(ejecting, eu), endpointPart(ejecting, us)];
		assert.notEqual(inEu, inUs);
		const shared = "outbound|9080||a.default.svc.cluster.local";
		assert.equal(inEu.resources.get(shared), inUs.resources.get(shared));
	});

	it("encodes only the changed service again", () => {
		const services = [serviceView("a"), serviceView("b", {}, { subsets })];
		const [a, b] = services.map((view) => endpointsOf(view, [endpoint("10.0.0.1")])) as [
			ServiceEndpoints,
			ServiceEndpoints,
		];
		const before = endpointPart(services, endpointsView([a, b]));
		const changed = endpointsOf(services[0] as ServiceView, [endpoint("10.0.0.2")]);
		const after = endpointPart(services, endpointsView([changed, b]));
		const different = [...after.resources].filter(([name, resource]) => before.resources.get(name) !== resource);
		assert.deepEqual(
			different.map(([name]) => name),
			["outbound|9080||a.default.svc.cluster.local"],
		);
	});

	it("is after any walk of changes what it would be from scratch", () => {
		const next = random(42);
		const services = ["a", "b", "c"].map((name, index) =>
			serviceView(name, {}, index === 1 ? { subsets, trafficPolicy: { outlierDetection: {} } } : undefined),
		);
		const state = new Map(services.map((view) => [view.service.key, endpointsOf(view, [])]));
		for (let step = 0; step < 100; step++) {
			const view = services[next(services.length)] as ServiceView;
			const members = Array.from({ length: next(5) }, () =>
				endpoint(`10.0.0.${next(200)}`, {
					labels: { version: `v${next(3)}` },
					locality: { region: ["eu", "us"][next(2)] ?? "", zone: "", subzone: "" },
				}),
			);
			state.set(view.service.key, endpointsOf(view, members));
			const client = { locality: { region: ["eu", "us"][next(2)] ?? "", zone: "", subzone: "" } };
			const incremental = endpointPart(services, endpointsView([...state.values()], client));
			const fresh = endpointPart(
				structuredClone(services),
				endpointsView(structuredClone([...state.values()]), client),
			);
			assert.deepEqual(incremental, fresh, `step ${step}`);
		}
	});
});

/** Whole numbers below a limit: a linear congruential sequence. */
function random(seed: number): (limit: number) => number {
	let state = seed;
	return (limit) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * limit);
	};
}
