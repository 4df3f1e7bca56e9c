import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GatewayServerView } from "../../model/view.ts";
import type { GatewayServer, HttpRoute } from "../../resources/kinds/networking.ts";
import { VirtualHost_TlsRequirementType } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { type RouteConfiguration, RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { decoded, gatewayView, named, rule, serviceView } from "../views.testing.ts";
import { generateGatewayRoutes } from "./gateway-routes.ts";

const to = (host: string, prefix?: string): HttpRoute => ({
	...(prefix && { match: [{ uri: { prefix } }] }),
	route: [{ destination: { host } }],
});

function server(
	rules: GatewayServerView["rules"],
	fields: Partial<GatewayServerView> = {},
	tls?: GatewayServer["tls"],
): GatewayServerView {
	return {
		gateway: "Gateway/default/gw",
		server: { port: { number: 80, protocol: "HTTP" }, hosts: ["*"], ...(tls && { tls }) },
		hosts: ["*"],
		rules,
		routeName: "http.80",
		...fields,
	};
}

function table(servers: readonly GatewayServerView[], name = "http.80"): RouteConfiguration {
	const view = gatewayView(servers, [serviceView("web")]);
	return decoded(RouteConfigurationSchema, named(generateGatewayRoutes(view), name));
}

/** Prefixes of each host's routes. */
function prefixes(config: RouteConfiguration): unknown {
	return config.virtualHosts.map(({ name, routes }) => [name, routes.map(({ match }) => match?.pathSpecifier.value)]);
}

describe("gateway route tables", () => {
	it("are one for each route name, shared by the servers that name it", () => {
		const view = gatewayView([
			server([rule(["a.com"], [to("a")])]),
			server([rule(["b.com"], [to("b")])]),
			server([rule(["c.com"], [to("c")])], { routeName: "https.443.https.gw.default" }),
			server([], { routeName: undefined }),
		]);
		const tables = generateGatewayRoutes(view);
		assert.deepEqual(
			tables.map(({ name }) => name),
			["http.80", "https.443.https.gw.default"],
		);
		const { virtualHosts } = decoded(RouteConfigurationSchema, tables[0]);
		assert.deepEqual(
			virtualHosts.map(({ name, domains }) => [name, domains]),
			[
				["a.com:80", ["a.com"]],
				["b.com:80", ["b.com"]],
			],
		);
	});

	it("join rules of the same host in their order, with routes that take everything last", () => {
		const one = rule(["a.com"], [to("x", "/one"), to("x")], "one");
		const two = rule(["a.com"], [to("y", "/two")], "two");
		assert.deepEqual(prefixes(table([server([one, two])])), [["a.com:80", ["/one", "/two", "/"]]]);
	});

	it("hold a rule once, though two servers bind it to the same host", () => {
		const one = rule(["a.com"], [to("x", "/one")]);
		assert.deepEqual(prefixes(table([server([one]), server([one])])), [["a.com:80", ["/one"]]]);
	});

	it("let hosts with the same routes share a virtual host", () => {
		const { virtualHosts } = table([server([rule(["b.com", "A.com", "*.c.com"], [to("x")])])]);
		assert.deepEqual(
			virtualHosts.map(({ name, domains }) => [name, domains]),
			[["*.c.com:80", ["*.c.com", "a.com", "b.com"]]],
		);
	});

	it("answer 404 when nothing is bound", () => {
		const { virtualHosts } = table([server([])]);
		assert.deepEqual(
			virtualHosts.map(({ name, domains, routes }) => [name, domains, routes.length]),
			[["blackhole:80", ["*"], 0]],
		);
	});

	it("httpsRedirect sends every host of the server to HTTPS, with rules or without", () => {
		const redirecting = server([rule(["a.com"], [to("x")])], { hosts: ["a.com", "b.com"] }, { httpsRedirect: true });
		const { virtualHosts } = table([redirecting, server([rule(["c.com"], [to("x")])])]);
		assert.deepEqual(
			virtualHosts.map(({ name, requireTls }) => [name, requireTls === VirtualHost_TlsRequirementType.ALL]),
			[
				["a.com:80", true],
				["b.com:80", true],
				["c.com:80", false],
			],
		);
	});

	it("send requests to the only port of the service, not the gateway's", () => {
		const { virtualHosts } = table([server([rule(["a.com"], [to("web.default.svc.cluster.local")])])]);
		const action = virtualHosts[0]?.routes[0]?.action;
		const cluster = action?.case === "route" && action.value.clusterSpecifier.value;
		assert.equal(cluster, "outbound|9080||web.default.svc.cluster.local");
	});

	it("match on the port that the server has, and redirect within its scheme", () => {
		const rules = [
			rule(
				["a.com"],
				[
					{ match: [{ port: 81 }], route: [{ destination: { host: "never" } }] },
					{ redirect: { derivePort: "FROM_REQUEST_PORT" } },
				],
			),
		];
		const https = {
			server: { port: { number: 443, protocol: "HTTPS" }, hosts: ["*"], tls: { mode: "SIMPLE" } },
		} as const;
		const { virtualHosts } = table([server(rules, https)]);
		const routes = virtualHosts[0]?.routes ?? [];
		assert.equal(routes.length, 1);
		assert.equal(routes[0]?.action.case === "redirect" && routes[0].action.value.portRedirect, 0);
	});
});
