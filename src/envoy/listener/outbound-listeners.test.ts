import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { aMeshService, anOutboundView, aRoutingRule, aServicePort, aServiceView } from "../../model/model.testing.ts";
import type { MeshService, Protocol } from "../../model/service.ts";
import type { OutboundView } from "../../model/view.ts";
import { decodeListener, envoyRefuses } from "../envoy-validates.testing.ts";
import type { FilterChain } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { HttpConnectionManagerSchema } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { TcpProxySchema } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { generateOutboundListeners } from "./outbound-listeners.ts";

function service(name: string, protocol: Protocol, port: number, more: Partial<MeshService> = {}): MeshService {
	return aMeshService(name, { ports: [aServicePort({ number: port, name: protocol, protocol })], ...more });
}

function viewOf(services: readonly MeshService[], more: Partial<OutboundView> = {}): OutboundView {
	return anOutboundView({ services: services.map((one) => aServiceView(one)), ...more });
}

function listenersOf(view: OutboundView): ReadonlyMap<string, Listener> {
	return new Map(generateOutboundListeners(view).map((one) => [one.name, decodeListener(one)]));
}

/** `rds 9080`, `tcp CLUSTER` or `tcp CLUSTER=WEIGHT,...`: where a chain leads. */
function leadsTo(chain: FilterChain | undefined): string {
	const config = chain?.filters.at(-1)?.configType;
	if (config?.case !== "typedConfig") return "nowhere";
	const manager = anyUnpack(config.value, HttpConnectionManagerSchema);
	if (manager?.routeSpecifier.case === "rds") return `rds ${manager.routeSpecifier.value.routeConfigName}`;
	const proxy = anyUnpack(config.value, TcpProxySchema);
	if (proxy?.clusterSpecifier.case === "cluster") return `tcp ${proxy.clusterSpecifier.value}`;
	if (proxy?.clusterSpecifier.case === "weightedClusters") {
		return `tcp ${proxy.clusterSpecifier.value.clusters.map((one) => `${one.name}=${one.weight}`).join(",")}`;
	}
	return "nowhere";
}

/** Each chain as a line an operator could read: its match, an arrow, where it leads. */
function describeChains(listener: Listener | undefined): readonly string[] {
	const lines = (listener?.filterChains ?? []).map((chain) => {
		const match = chain.filterChainMatch;
		const parts = [
			match?.destinationPort !== undefined ? `port ${match.destinationPort}` : "",
			(match?.prefixRanges ?? []).map((range) => `${range.addressPrefix}/${range.prefixLen}`).join(","),
			(match?.sourcePrefixRanges ?? []).map((range) => `from ${range.addressPrefix}/${range.prefixLen}`).join(","),
			(match?.serverNames ?? []).join(","),
			match?.transportProtocol ?? "",
			(match?.applicationProtocols ?? []).length > 0 ? "http" : "",
		].filter((part) => part !== "");
		return `${parts.join(" ") || "any"} -> ${leadsTo(chain)}`;
	});
	return listener?.defaultFilterChain ? [...lines, `else -> ${leadsTo(listener.defaultFilterChain)}`] : lines;
}

function inspectorsOf(listener: Listener | undefined): readonly string[] {
	return (listener?.listenerFilters ?? []).map((filter) => filter.name.split(".").at(-1) ?? "");
}

describe("outbound listeners", () => {
	it("leave the ports of the proxy's own listeners alone, which it would refuse to open twice", () => {
		const services = [15021, 15090].flatMap((port) => [
			service(`http-${port}`, "HTTP", port),
			service(`tcp-${port}`, "TCP", port, { addresses: ["10.96.0.7"] }),
		]);
		const names = [...listenersOf(viewOf(services)).keys()];
		assert.deepEqual(names.sort(), ["10.96.0.7_15021", "10.96.0.7_15090", "virtualOutbound"]);
	});

	it("take every redirected connection on 15001 and pass unknown ones through", () => {
		const listener = listenersOf(viewOf([])).get("virtualOutbound");
		assert.equal(listener?.useOriginalDst, true);
		assert.deepEqual(describeChains(listener), ["port 15001 -> tcp BlackHoleCluster", "any -> tcp PassthroughCluster"]);
	});

	it("close unknown connections where only the registry may be reached", () => {
		const http = service("reviews", "HTTP", 9080);
		const listeners = listenersOf(viewOf([http], { outboundTrafficPolicy: "REGISTRY_ONLY" }));
		assert.equal(describeChains(listeners.get("virtualOutbound"))[1], "any -> tcp BlackHoleCluster");
		assert.equal(describeChains(listeners.get("0.0.0.0_9080")).at(-1), "else -> tcp BlackHoleCluster");
	});

	it("share one listener among all declared HTTP services of a port", () => {
		const services = [service("a", "HTTP", 9080), service("b", "GRPC", 9080), service("c", "HTTP2", 9080)];
		const listeners = listenersOf(viewOf(services));
		assert.deepEqual([...listeners.keys()], ["virtualOutbound", "0.0.0.0_9080"]);
		const listener = listeners.get("0.0.0.0_9080");
		assert.equal(listener?.bindToPort, false);
		assert.deepEqual(inspectorsOf(listener), ["http_inspector"]);
		assert.deepEqual(describeChains(listener), ["raw_buffer http -> rds 9080", "else -> tcp PassthroughCluster"]);
	});

	it("never wait for the client's bytes on a declared TCP port, where the server may speak first", () => {
		for (const protocol of ["TCP", "MYSQL", "MONGO", "REDIS"] as const) {
			const listener = listenersOf(viewOf([service("db", protocol, 3306)])).get("10.96.0.1_3306");
			assert.deepEqual(inspectorsOf(listener), [], protocol);
			assert.deepEqual(describeChains(listener), ["else -> tcp outbound|3306||db.default.svc.cluster.local"]);
		}
	});

	it("sniff an undeclared port, and fall back to TCP", () => {
		const listener = listenersOf(viewOf([service("a", "AUTO", 80)])).get("10.96.0.1_80");
		assert.deepEqual(inspectorsOf(listener), ["http_inspector"]);
		assert.equal(listener?.continueOnListenerFiltersTimeout, true);
		assert.deepEqual(describeChains(listener), [
			"raw_buffer http -> rds a.default.svc.cluster.local:80",
			"else -> tcp outbound|80||a.default.svc.cluster.local",
		]);
	});

	it("send TLS to a service with an address without looking at it", () => {
		const listener = listenersOf(viewOf([service("a", "TLS", 443)])).get("10.96.0.1_443");
		assert.deepEqual(inspectorsOf(listener), []);
		assert.deepEqual(describeChains(listener), ["else -> tcp outbound|443||a.default.svc.cluster.local"]);
	});

	it("tell TLS services without an address apart by SNI", () => {
		const entry = (host: string) =>
			service(host, "TLS", 443, { hostname: host, registry: "serviceEntry", addresses: [], discovery: "passthrough" });
		const listener = listenersOf(viewOf([entry("*.a.example"), entry("b.example")])).get("0.0.0.0_443");
		assert.deepEqual(inspectorsOf(listener), ["tls_inspector"]);
		assert.deepEqual(describeChains(listener), [
			"*.a.example tls -> tcp outbound|443||*.a.example",
			"b.example tls -> tcp outbound|443||b.example",
			"else -> tcp PassthroughCluster",
		]);
	});

	it("keep HTTP and an address-less TCP service on the same port apart by sniffing, with a time limit", () => {
		const services = [service("web", "HTTP", 9000), service("db", "TCP", 9000, { addresses: [] })];
		const listener = listenersOf(viewOf(services)).get("0.0.0.0_9000");
		assert.deepEqual(describeChains(listener), [
			"raw_buffer http -> rds 9000",
			"else -> tcp outbound|9000||db.default.svc.cluster.local",
		]);
		assert.equal(listener?.listenerFiltersTimeout?.nanos, 100_000_000);
	});

	it("give the port to the oldest of several address-less TCP services", () => {
		const services = [
			service("young", "TCP", 9000, { addresses: [], createdMs: 20 }),
			service("old", "TCP", 9000, { addresses: [], createdMs: 10 }),
		];
		const chains = describeChains(listenersOf(viewOf(services)).get("0.0.0.0_9000"));
		assert.deepEqual(chains, ["else -> tcp outbound|9000||old.default.svc.cluster.local"]);
	});

	it("match a service of an address range by the destination", () => {
		const services = [
			service("net", "TCP", 9000, { addresses: ["10.20.1.7/16", "10.96.0.9"] }),
			service("same", "TCP", 9000, { addresses: ["10.20.0.0/16"], createdMs: 5 }),
		];
		const listeners = listenersOf(viewOf(services));
		assert.deepEqual(describeChains(listeners.get("0.0.0.0_9000")), [
			"10.20.0.0/16 -> tcp outbound|9000||net.default.svc.cluster.local",
			"else -> tcp PassthroughCluster",
		]);
		assert.deepEqual(describeChains(listeners.get("10.96.0.9_9000")), [
			"else -> tcp outbound|9000||net.default.svc.cluster.local",
		]);
	});

	it("split TCP by the weights of a VirtualService", () => {
		const db = service("db", "TCP", 3306);
		const rule = aRoutingRule("db", {
			tcp: [
				{
					match: [{ port: 3306 }],
					route: [
						{ destination: { host: db.hostname, subset: "v1" }, weight: 80 },
						{ destination: { host: db.hostname, subset: "v2" }, weight: 20 },
						{ destination: { host: "gone.example" }, weight: 0 },
					],
				},
			],
		});
		const destination = { sources: [], subsets: [{ name: "v1" }, { name: "v2" }] };
		const view = anOutboundView({ services: [aServiceView(db, { destination })], rules: [rule] });
		assert.deepEqual(describeChains(listenersOf(view).get("10.96.0.1_3306")), [
			"else -> tcp outbound|3306|v1|db.default.svc.cluster.local=80,outbound|3306|v2|db.default.svc.cluster.local=20",
		]);
	});

	it("route TLS by the SNI hosts of a VirtualService", () => {
		const web = service("web", "TLS", 443, { hostname: "*.example.com", addresses: [], discovery: "passthrough" });
		const rule = aRoutingRule("web", {
			hosts: ["*.example.com"],
			tls: [
				{
					match: [{ sniHosts: ["a.example.com", "b.example.com"], port: 443 }],
					route: [{ destination: { host: "*.example.com" } }],
				},
				{ match: [{ sniHosts: ["c.example.com"] }], route: [{ destination: { host: "gone.example" } }] },
				{ match: [{ sniHosts: ["d.example.com"], port: 8443 }], route: [{ destination: { host: "gone.example" } }] },
			],
		});
		assert.deepEqual(describeChains(listenersOf(viewOf([web], { rules: [rule] })).get("0.0.0.0_443")), [
			"a.example.com,b.example.com tls -> tcp outbound|443||*.example.com",
			"c.example.com tls -> tcp BlackHoleCluster",
			"else -> tcp PassthroughCluster",
		]);
	});

	it("are the same objects when another service changes, and new when a rule, a service or the policy does", () => {
		const [db, web] = [aServiceView(service("db", "TCP", 3306)), aServiceView(service("web", "AUTO", 80))];
		const rule = aRoutingRule("db", { tcp: [{ route: [{ destination: { host: web.service.hostname } }] }] });
		const listenerOf = (view: OutboundView, name = "10.96.0.1_3306") =>
			generateOutboundListeners(view).find((one) => one.name === name);
		const first = listenerOf(anOutboundView({ services: [db, web] }));
		assert.ok(first);
		assert.equal(listenerOf(anOutboundView({ services: [db, aServiceView(web.service)] })), first);
		assert.notEqual(listenerOf(anOutboundView({ services: [db, web], rules: [rule] }))?.version, first.version);
		const other = aServiceView(db.service, {
			destination: { sources: [], subsets: [], trafficPolicy: { connectionPool: { tcp: { idleTimeout: "5s" } } } },
		});
		assert.notEqual(listenerOf(anOutboundView({ services: [other, web] }))?.version, first.version);
		const http = aServiceView(service("http", "HTTP", 8000));
		const open = listenerOf(anOutboundView({ services: [http] }), "0.0.0.0_8000");
		const closed = listenerOf(
			anOutboundView({ services: [http], outboundTrafficPolicy: "REGISTRY_ONLY" }),
			"0.0.0.0_8000",
		);
		assert.notEqual(open?.version, closed?.version);
	});

	it("close connections to a name that has no endpoints to resolve", () => {
		const entry = service("gone", "TCP", 9000, { discovery: "dns" });
		assert.deepEqual(describeChains(listenersOf(viewOf([entry])).get("10.96.0.1_9000")), [
			"else -> tcp BlackHoleCluster",
		]);
	});

	it("are accepted by Envoy for every mixture of protocols, addresses and rules on one port", () => {
		const protocols = ["HTTP", "GRPC", "AUTO", "TCP", "TLS", "HTTPS", "MONGO", "MYSQL", "REDIS", "UDP"] as const;
		const shapes: readonly Partial<MeshService>[] = [
			{},
			{ addresses: [] },
			{ addresses: ["10.0.0.0/8", "10.1.0.0/8", "fd00:1::/32"], registry: "serviceEntry" },
			{ headless: true, addresses: [], discovery: "passthrough" },
			{ addresses: ["240.240.0.9"], allocated: true, registry: "serviceEntry", hostname: "*.wild.example" },
			{ addresses: ["0.0.0.0"], hostname: "*" },
		];
		const services = protocols.flatMap((protocol) =>
			shapes.map((shape, index) => service(`${protocol.toLowerCase()}-${index}`, protocol, 7000, shape)),
		);
		const rule = aRoutingRule("all", {
			hosts: ["*"],
			tls: [
				{
					match: [
						{ sniHosts: ["x.example", "*", "*odd.example", "*.Wild.example"] },
						{ sniHosts: ["x.example"], destinationSubnets: ["10.0.0.0/8", "not-an-address"] },
					],
					route: [{ destination: { host: "tcp-0.default.svc.cluster.local" } }],
				},
			],
			tcp: [
				{
					match: [{ destinationSubnets: ["10.0.0.0/8"] }, { sourceSubnet: "10.9.0.0/16" }],
					route: [{ destination: { host: "tcp-1.default.svc.cluster.local" } }],
				},
			],
		});
		const plain = viewOf(services);
		for (const view of [plain, viewOf(services, { rules: [rule] })]) {
			assert.equal(envoyRefuses({ listeners: generateOutboundListeners(view) }), "");
		}
	});
});
