import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { aMeshService, anInboundView, aServicePort } from "../../model/model.testing.ts";
import type { Protocol } from "../../model/service.ts";
import type { InboundPort, InboundView } from "../../model/view.ts";
import { decodeListener, envoyRefuses } from "../envoy-validates.testing.ts";
import type { FilterChain } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import {
	type HttpConnectionManager,
	HttpConnectionManagerSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { generateInboundListeners, type InboundListenerOptions } from "./virtual-inbound.ts";

function port(targetPort: number, protocol: Protocol): InboundPort {
	const servicePort = aServicePort({ number: 80, targetPort, protocol });
	return { targetPort, protocol, service: aMeshService("web", { ports: [servicePort] }), servicePort };
}

function inbound(view: Partial<InboundView>, options?: InboundListenerOptions) {
	const [resource] = generateInboundListeners(anInboundView(view), options);
	assert.ok(resource);
	return decodeListener(resource);
}

function managerOf(chain: FilterChain | undefined): HttpConnectionManager | undefined {
	const config = chain?.filters[0]?.configType;
	return config?.case === "typedConfig" ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined;
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
		assert.deepEqual(generateInboundListeners(anInboundView({ interceptionMode: "NONE" })), []);
	});

	it("takes mesh TLS, plaintext and the application's own TLS side by side when permissive", () => {
		const listener = inbound({ ports: [port(8080, "HTTP"), port(9000, "AUTO")] }, { inboundTls: "permissive" });
		assert.deepEqual(listener.filterChains.map(describeChain), [
			"15006 tcp",
			"8080 tls istio-peer-exchange mTLS http",
			"8080 tls tcp",
			"8080 raw_buffer http",
			"9000 tls istio-h2 mTLS http",
			"9000 tls istio-peer-exchange mTLS tcp",
			"9000 tls tcp",
			"9000 raw_buffer h2c http",
			"9000 raw_buffer tcp",
			"any tls istio-h2 mTLS tcp",
			"any tcp",
		]);
	});

	it("takes nothing but mesh TLS when strict", () => {
		const ports = [port(8080, "HTTP"), port(3306, "TCP"), port(9000, "AUTO")];
		const listener = inbound({ ports }, { inboundTls: "strict" });
		const open = listener.filterChains.filter((chain) => !chain.transportSocket).map(describeChain);
		assert.deepEqual(open, ["15006 tcp"]);
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
			for (const inboundTls of [undefined, "permissive", "strict"] as const) {
				const view = anInboundView({ mesh, ports, interceptionMode: inboundTls ? "TPROXY" : "REDIRECT" });
				const listeners = generateInboundListeners(view, inboundTls ? { inboundTls } : {});
				assert.equal(envoyRefuses({ listeners }), "");
			}
		}
	});
});
