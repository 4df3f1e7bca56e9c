// What it costs to generate one proxy's clusters, endpoints and routes: 1,000 services x 20 endpoints, rules and subsets on
// every tenth. From nothing, and after one change of each kind. The first start is the process's first: code is cold.

import { generateOutboundClusters } from "../src/envoy/cluster/outbound-clusters.ts";
import { endpointPart } from "../src/envoy/endpoint/endpoint-part.ts";
import { generateOutboundRoutes } from "../src/envoy/route/outbound-routes.ts";
import { endpoint, endpointsOf, endpointsView, outboundView, rule, serviceView } from "../src/envoy/views.testing.ts";
import type { ServiceEndpoints } from "../src/model/endpoint.ts";
import type { EndpointsView, OutboundView, ServiceView } from "../src/model/view.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";

const serviceCount = 1000;
const endpointCount = 20;
const rounds = 9;

const wallMs = new Map<string, number[]>();
const cpuMs = new Map<string, number[]>();

for (let round = 0; round < rounds; round++) {
	const { view, endpoints } = mesh();
	const start = round === 0 ? "from nothing, cold code" : "from nothing";
	measure(`${start}: all`, () => {
		measure(`${start}: clusters`, () => generateOutboundClusters(view));
		measure(`${start}: endpoints`, () => endpointPart(view.services, endpoints, view));
		measure(`${start}: routes`, () => generateOutboundRoutes(view));
	});
	const changedRule = { ...view, rules: view.rules.map((one, index) => (index === 0 ? { ...one } : one)) };
	measure("one rule changed: routes", () => generateOutboundRoutes(changedRule));
	const changedService = { ...view, services: view.services.map((one, index) => (index === 0 ? { ...one } : one)) };
	measure("one service changed: clusters", () => generateOutboundClusters(changedService));
	const changedEndpoints = withoutOneEndpoint(view, endpoints, round);
	measure("one endpoint changed: endpoints", () => endpointPart(view.services, changedEndpoints, view));
}

const rows = [...wallMs].flatMap(([what, samples]): readonly BenchRow[] => [
	{ what, unit: "ms", spread: spreadOf(samples), ...(what === "from nothing, cold code: all" && { target: "< 400" }) },
	{ what: `${what}, CPU`, unit: "ms", spread: spreadOf(cpuMs.get(what) ?? []) },
]);
reportBench("generate", rows);

function measure(what: string, work: () => unknown): void {
	const cpu = process.cpuUsage();
	const start = performance.now();
	work();
	const wall = performance.now() - start;
	const { user, system } = process.cpuUsage(cpu);
	wallMs.set(what, [...(wallMs.get(what) ?? []), wall]);
	cpuMs.set(what, [...(cpuMs.get(what) ?? []), (user + system) / 1000]);
}

function mesh(): { readonly view: OutboundView; readonly endpoints: EndpointsView } {
	const services = Array.from({ length: serviceCount }, (_, index) => {
		const subsets = ["v1", "v2"].map((version) => ({ name: version, labels: { version } }));
		const trafficPolicy = { outlierDetection: { consecutive5xxErrors: 5 } };
		return serviceView(
			`service-${String(index).padStart(4, "0")}`,
			{ addresses: [`10.96.${index >> 8}.${index & 255}`] },
			index % 10 === 0 ? { subsets, trafficPolicy } : undefined,
		);
	});
	const rules = services
		.filter(({ destination }) => destination !== undefined)
		.map(({ service: { hostname: host, name } }) => {
			const v1 = { host, subset: "v1" };
			const v2 = { host, subset: "v2" };
			const canary = [
				{ destination: v1, weight: 90 },
				{ destination: v2, weight: 10 },
			];
			const jason = { match: [{ headers: { user: { exact: "jason" } } }], route: [{ destination: v2 }] };
			return rule([host], [jason, { route: canary, timeout: "10s" }], name);
		});
	const locality = { region: "eu", zone: "a", subzone: "" };
	return { view: outboundView(services, rules), endpoints: endpointsView(services.map(endpointsFor), { locality }) };
}

function endpointsFor(view: ServiceView, index: number): ServiceEndpoints {
	const members = Array.from({ length: endpointCount }, (_, member) =>
		endpoint(`10.${1 + (index >> 8)}.${index & 255}.${member + 1}`, {
			labels: { app: view.service.name, version: `v${(member % 2) + 1}` },
			workload: `${view.service.name}-v${(member % 2) + 1}`,
			locality: { region: "eu", zone: ["a", "b", "c"][member % 3] ?? "", subzone: "" },
			tlsMode: "istio",
		}),
	);
	return endpointsOf(view, members);
}

function withoutOneEndpoint(view: OutboundView, endpoints: EndpointsView, index: number): EndpointsView {
	const changed = view.services[index];
	if (changed === undefined) throw new Error("no such service");
	const members = endpoints.byService.get(changed.service.key)?.byPort.get(9080)?.slice(1) ?? [];
	const byService = new Map(endpoints.byService).set(changed.service.key, endpointsOf(changed, members));
	return { ...endpoints, byService };
}
